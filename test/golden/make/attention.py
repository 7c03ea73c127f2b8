"""
Attention within windows of both sides, and with a bias on its scores: O and the gradients of Σ O·dO from PyTorch.

    python attention.py OUTPUT.json

The window is transformers' (ModernBERT): a query attends keys at most WINDOW - 1 places away. The bias is T5's: added to scores that have no
scale, and shared by the batch. Keys of padding are masked in both.
"""
import json
import sys

import torch

torch.manual_seed(0)
BATCH, LENGTH, HEADS, D, WINDOW = 2, 11, 2, 4, 3
TOKENS = [11, 8]

places = torch.arange(LENGTH)
is_token = torch.arange(LENGTH)[None] < torch.tensor(TOKENS)[:, None]


def case(name, mask, scale, bias):
    q, k, v, dO = (torch.randn(BATCH, HEADS, LENGTH, D) for _ in range(4))
    inputs = [q, k, v] + ([] if bias is None else [bias])
    for x in inputs:
        x.requires_grad_(True)
    added = torch.zeros(BATCH, HEADS, LENGTH, LENGTH) if bias is None else bias.expand(BATCH, -1, -1, -1)
    added = added.masked_fill(~mask, float("-inf"))
    out = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=added, scale=scale)
    # queries of padding may attend nothing, which is NaN there
    counted = is_token[:, None, :, None]
    torch.where(counted, out * dO, 0).sum().backward()
    flat = lambda x: x.transpose(1, 2).reshape(-1).tolist()
    row = {name: flat(x.detach()) for name, x in zip("qkv", (q, k, v))}
    row |= {"dO": flat(torch.where(counted, dO, 0)), "O": flat(torch.where(counted, out, 0).detach())}
    row |= {f"d{name}": flat(x.grad) for name, x in zip("qkv", (q, k, v))}
    if bias is not None:
        row |= {"bias": bias.detach().reshape(-1).tolist(), "dbias": bias.grad.reshape(-1).tolist()}
    return {"name": name, "scale": scale, **row}


of_keys = is_token[:, None, None, :].expand(BATCH, HEADS, LENGTH, LENGTH)
near = (places[:, None] - places[None]).abs() < WINDOW
cases = [
    {**case("window", of_keys & near, D**-0.5, None), "window": WINDOW},
    {**case("bias", of_keys, 1.0, torch.randn(1, HEADS, LENGTH, LENGTH)), "window": None},
]
rounded = lambda x: [float(f"{y:.7g}") for y in x] if isinstance(x, list) else x
shape = {"batch": BATCH, "length": LENGTH, "heads": HEADS, "d": D, "tokens": TOKENS}
rows = [{key: rounded(value) for key, value in row.items()} for row in cases]
with open(sys.argv[1], "w") as file:
    file.write(json.dumps({**shape, "cases": rows}) + "\n")
