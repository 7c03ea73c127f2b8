"""Parquet files as data sets have them: messages as lists of structs, row groups of 4, further columns of other types.

Run in this folder with pyarrow (made with 26.0.1): python parquet.py
"""
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent.parent / "parquet"
FOLDER.mkdir(exist_ok=True)

rows = 11
chats = [
    [{"role": "user", "content": f"Wie viel ist {i} + {i}? 😀"}, {"role": "assistant", "content": str(2 * i)}]
    for i in range(rows)
]
table = pa.table({
    "id": pa.array([2**40 + i for i in range(rows)], pa.int64()),
    "messages": pa.array(chats, pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
    "source": pa.array(["a", "b", None] * 3 + ["a", "b"]).dictionary_encode(),
})
for codec in ("none", "snappy", "gzip", "zstd", "brotli"):
    pq.write_table(table, FOLDER / f"chats-{codec}.parquet", compression=codec, row_group_size=4)

broken = pa.table({"messages": pa.array([chats[0], [], None, [{"role": "alien", "content": "?"}]], table["messages"].type)})
pq.write_table(broken, FOLDER / "broken.parquet")
