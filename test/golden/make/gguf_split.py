"""The golden llama.gguf in three parts, split by the Python package's own writer.

    python test/golden/make/gguf_split.py        (numpy, gguf 0.19.0)

Writes ../gguf/llama-0000N-of-00003.gguf: the first with all metadata, every one with split.no, split.count and split.tensors.count.
"""
from pathlib import Path

import gguf
import numpy as np

folder = Path(__file__).parents[1] / "gguf"
reader = gguf.GGUFReader(folder / "llama.gguf")
fields = {name: field for name, field in reader.fields.items() if not name.startswith("GGUF.")}
architecture = fields.pop("general.architecture").contents()
writer = gguf.GGUFWriter(folder / "llama.gguf", architecture, split_max_tensors=-(-len(reader.tensors) // 3))
for name, field in fields.items():
    writer.add_key_value(name, field.contents(), field.types[0])
for tensor in reader.tensors:
    writer.add_tensor(tensor.name, np.array(tensor.data))
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
