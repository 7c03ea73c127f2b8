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

# images as `datasets` writes them, and in a binary column: the files beside them
from io import BytesIO

from PIL import Image


def png(shade: int) -> bytes:
    file = BytesIO()
    Image.frombytes("RGB", (6 + shade, 5), bytes((shade * 7 + i * 3) % 256 for i in range(3 * (6 + shade) * 5))).save(file, "PNG")
    return file.getvalue()


photos = FOLDER.parent / "parquet" / "images"
labels = ["rose", "tulip", "rose", "tulip"]
for i, label in enumerate(labels):
    (photos / label).mkdir(parents=True, exist_ok=True)
    (photos / label / f"{i}.png").write_bytes(png(i))
order = [0, 2, 1, 3]  # as the folder is sorted
images = pa.table({
    "image": pa.array([{"bytes": png(i), "path": f"{i}.png"} for i in order], pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    "raw": pa.array([png(i) for i in order], pa.binary()),
    "label": pa.array([labels[i] for i in order]),
})
pq.write_table(images, FOLDER / "images.parquet", row_group_size=3)

# the rows that end-to-end tests train on (tinyRows of test/e2e/fixtures.ts), the training rows in two files
import json
import subprocess

script = 'import { tinyRows } from "../../e2e/fixtures.ts"; console.log(JSON.stringify(tinyRows(39)))'
tiny = json.loads(subprocess.check_output(["bun", "-e", script], cwd=Path(__file__).parent))
(FOLDER / "tiny").mkdir(exist_ok=True)
for name, own in {"train-0": tiny[:15], "train-1": tiny[15:24], "validation": tiny[24:30], "test": tiny[30:]}.items():
    pq.write_table(pa.Table.from_pylist(own), FOLDER / "tiny" / f"{name}.parquet", row_group_size=4)
