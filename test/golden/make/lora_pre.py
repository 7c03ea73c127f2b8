"""LoRA-Pre's moments and directions for given gradients, float64, with NumPy: `lora_pro/lora_pre.json`.

The equations are those at the top of src/optimizers/lora-pre/transform.ts; pseudo-inverses are by SVD. Run in this folder: python lora_pre.py
"""
import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent.parent / "lora_pro" / "lora_pre.json"
OUT, IN, RANK, STEPS = 9, 12, 3, 10
B1, B2, EPS = 0.8, 0.95, 1e-8


def corrected(beta, t):
    return beta * (1 - beta ** (t - 1)) / (1 - beta**t)


def step(B, A, g, decay):
    kept = np.sqrt(decay)
    B = kept * B + (1 - kept) * g @ np.linalg.pinv(A)
    return B, kept * A + (1 - kept) * np.linalg.pinv(B) @ g


random = np.random.default_rng(28283)
pattern = random.normal(size=(OUT, IN))
gradients = [pattern + random.normal(size=(OUT, IN)) for _ in range(STEPS)]
starts = [random.normal(size=(RANK, IN)) for _ in range(2)]
m = [np.zeros((OUT, RANK)), starts[0]]
v = [np.zeros((OUT, RANK)), starts[1]]
directions, first, second, bounded = [], [], [], 0
for t, g in enumerate(gradients, 1):
    b1, b2 = corrected(B1, t), corrected(B2, t)
    moment = b1 * m[0] @ m[1] + (1 - b1) * g
    square = b2 * (v[0] @ v[1]) ** 2 + (1 - b2) * g**2
    w1 = (1 - B1) * B1 ** np.arange(t) / (1 - B1**t)
    w2 = (1 - B2) * B2 ** np.arange(t) / (1 - B2**t)
    largest = np.sqrt((w1**2 / w2).sum())
    direction = moment / (np.sqrt(square) + EPS)
    bounded += (abs(direction) > largest).sum()
    directions.append(np.clip(direction, -largest, largest).tolist())
    for _ in range(2 if t == 1 else 1):
        m = step(*m, g, b1)
        v = step(*v, np.abs(g), corrected(np.sqrt(B2), t))
    first.append((m[0] @ m[1]).tolist())
    second.append((v[0] @ v[1]).tolist())
FILE.write_text(json.dumps({
    "rank": RANK, "betas": [B1, B2], "eps": EPS, "G": [g.tolist() for g in gradients], "starts": [a.tolist() for a in starts],
    "u": directions, "first": first, "second": second,
}) + "\n")
print(bounded, "entries at the bound")
