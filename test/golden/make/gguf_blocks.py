"""Blocks of every GGUF type that is read, and what the Python package gguf makes of them, as one safetensors file; and in another one
numbers with the blocks that the package packs them into, in the two types that are written here.

    python test/golden/make/gguf_blocks.py        (numpy, gguf 0.19.0, safetensors)

Bytes are random except for the half-precision scales: finite, of both signs, subnormal and zero ones among them. "<type>.bytes" uint8,
"<type>.values" float32. F64 alone is numpy's.
"""
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType as T
from gguf.quants import dequantize, quantize
from safetensors.numpy import save_file

HALVES = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208],
          T.Q2_K: [80, 82], T.Q3_K: [108], T.IQ4_NL: [0], T.IQ4_XS: [0]}
BLOCKS = {32: 24, 256: 6}

rng = np.random.default_rng(0)


def halves(count):
    values = (rng.standard_normal(count) * 10.0 ** rng.uniform(-6, 2, count)).astype(np.float16)
    values[0] = np.float16(6e-8)  # the smallest subnormal
    values[1] = np.float16(0)
    values[2] = np.float16(-60000)
    return values


out = {}
for kind, places in HALVES.items():
    elements, size = GGML_QUANT_SIZES[kind]
    blocks = BLOCKS[elements]
    data = rng.integers(0, 256, (blocks, size), dtype=np.uint8)
    for place in places:
        data[:, place : place + 2] = halves(blocks).view(np.uint8).reshape(blocks, 2)
    out[f"{kind.name}.bytes"] = data.reshape(-1)
    out[f"{kind.name}.values"] = dequantize(data, kind).reshape(-1).astype(np.float32)
for kind, bits in ((T.F16, np.uint16), (T.BF16, np.uint16)):
    data = halves(64).view(np.uint8) if kind is T.F16 else (rng.standard_normal(64).astype(np.float32).view(np.uint32) >> 16).astype(bits).view(np.uint8)
    out[f"{kind.name}.bytes"] = data
    out[f"{kind.name}.values"] = dequantize(data.view(np.float16) if kind is T.F16 else data.reshape(1, -1), kind).reshape(-1).astype(np.float32)
# the package has no F64; numpy rounds to the nearest float32
wide = rng.standard_normal(64) * 10.0 ** rng.uniform(-40, 30, 64)
out["F64.bytes"] = wide.view(np.uint8)
out["F64.values"] = wide.astype(np.float32)
save_file(out, Path(__file__).parents[1] / "gguf/blocks.safetensors")

# rows of a matrix [12, 64]: of all sizes, halves of a step, zeros, the largest number twice with either sign, and sizes that halves round to 0
values = (rng.standard_normal((12, 64)) * 10.0 ** rng.uniform(-6, 3, (12, 1))).astype(np.float32)
values[1] = 0
values[2] = (rng.integers(-16, 17, 64) / 2).astype(np.float32)
values[3, :2] = [7.5, -7.5]
values[4] *= np.float32(1e-9)
values[5, :] = np.linspace(-127, 127, 64).astype(np.float32).round() / 2
packed = {"values": values}
for kind in (T.Q4_0, T.Q8_0):
    packed[f"{kind.name}.bytes"] = quantize(values, kind).reshape(-1)
save_file(packed, Path(__file__).parents[1] / "gguf/packed.safetensors")
