"""Rows of numbers, and the blocks that ggml's own quantizers make of them, in every type that exports are written in.

    python test/golden/make/gguf_quantized.py libggml-base.so        (numpy, safetensors)

The library is llama.cpp's, of any build: npm's @node-llama-cpp/linux-x64 3.22.1 has it (llama.cpp v0.5.0). "values" float32 [rows, 512];
"<type>.bytes" uint8: rows as `ggml_quantize_chunk` packs them, without an importance matrix.
"""
import ctypes
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

TYPES = {"Q4_0": (2, 32, 18), "Q5_0": (6, 32, 22), "Q8_0": (8, 32, 34),
         "Q4_K": (12, 256, 144), "Q6_K": (14, 256, 210)}

library = ctypes.CDLL(sys.argv[1])
quantize = library.ggml_quantize_chunk
quantize.restype = ctypes.c_size_t
quantize.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]

rng = np.random.default_rng(0)
rows = 12
values = (rng.standard_normal((rows, 512)) * 10.0 ** rng.uniform(-3, 1, (rows, 1))).astype(np.float32)
values[1] = 0
values[2] = np.abs(values[2])  # offsets that would be above 0
values[3] = (rng.integers(-16, 17, 512) / 2).astype(np.float32)  # halves of a step
values[4, :256] = 0.25  # a block of one number
values[5] *= 10.0 ** rng.uniform(-2, 2, 512)  # a few numbers much larger than the rest
values[6] += 3  # far from zero
values[7] *= np.float32(1e-9)
values[8] = -np.abs(values[8])
values = values.astype(np.float32)

out = {"values": values}
for name, (number, elements, size) in TYPES.items():
    packed = np.zeros(rows * 512 // elements * size, np.uint8)
    written = quantize(number, values.ctypes.data, packed.ctypes.data, 0, rows, 512, None)
    assert written == packed.size
    out[f"{name}.bytes"] = packed
save_file(out, Path(__file__).parents[1] / "gguf/quantized.safetensors")
