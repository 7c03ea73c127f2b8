"""Inits that look at the loss's gradient, in float64: LoRA-One's factors, GoRA's ranks and its pair.

LoRA-One: YuanheZ/LoRA-One @ 01bba05, run_exp.py (mode gradient, scale stable), with an exact SVD for the randomised one.
GoRA: hhnqqq/MyTransformers @ 4037d4d, gora.py: union_mean, features by their root (arXiv 2502.12171), "moderate" rounding, and
scaling_by_lr; the sign is the paper's.

Run in this folder with numpy: python gradient_inits.py
"""
import json
import math
from pathlib import Path

import numpy as np

OUT = Path(__file__).parent.parent / "lora_pro"
random = np.random.default_rng(5)


def rounded(array):
    return np.asarray(array, dtype=np.float32).astype(np.float64)


def lora_one(g, r, s, gamma):
    U, S, Vt = np.linalg.svd(-g, full_matrices=False)
    B = U[:, :r] @ np.diag(np.sqrt(S[:r])) / math.sqrt(S[0]) / math.sqrt(gamma)
    A = np.diag(np.sqrt(S[:r])) @ Vt[:r] / math.sqrt(S[0]) / math.sqrt(gamma)
    return {"s_BA": (s * B @ A).tolist(), "AAt": (A @ A.T).tolist(), "BtB": (B.T @ B).tolist()}


def gora_ranks(importances, sites):
    """sites: (out, in, rank by the plan, least, most)"""
    shares = np.asarray(importances) / np.sum(importances)
    budget = sum(math.sqrt(out + wide) * rank for out, wide, rank, _, _ in sites)
    ranks = []
    for share, (out, wide, _, least, most) in zip(shares, sites):
        rank = round(budget * share) // math.sqrt(out + wide)
        ranks.append(int(min(max(round(rank), least), most)))
    return ranks


def gora_pair(A, g, s, gamma):
    r, wide = A.shape
    inverse = np.linalg.pinv(A @ A.T + 1e-8 * np.eye(r))
    return -g @ A.T @ inverse * gamma / math.sqrt(r / wide) / s


g = rounded(random.normal(size=(14, 11)) @ np.diag(0.8 ** np.arange(11)))
one = {"m": 14, "n": 11, "r": 4, "s": 8.0, "gamma": 128, "g": g.tolist(), **lora_one(g, 4, 8.0, 128)}
(OUT / "init_lora_one.json").write_text(json.dumps(one) + "\n")

shapes = [(12, 10, 3), (10, 12, 3), (6, 9, 3), (16, 8, 2), (8, 16, 3)]
least, most = 1, 6
matrices = [(rounded(random.normal(size=(out, wide))), rounded(random.normal(size=(out, wide)) * 2.0**-i)) for i, (out, wide, _) in enumerate(shapes)]
importances = [float(np.mean(np.abs(W * G))) for W, G in matrices]
A = rounded(random.uniform(-1, 1, size=(4, 10)) / math.sqrt(10))
gora = {
    "least": least,
    "most": most,
    "sites": [
        {"out": out, "in": wide, "rank": rank, "W": W.tolist(), "g": G.tolist(), "importance": importance}
        for (out, wide, rank), (W, G), importance in zip(shapes, matrices, importances)
    ],
    "ranks": gora_ranks(importances, [(out, wide, rank, least, min(most, out, wide)) for out, wide, rank in shapes]),
    "pair": {"A": A.tolist(), "gamma": 0.05, "s": 5.0, "B": gora_pair(A, matrices[0][1], 5.0, 0.05).tolist()},
}
(OUT / "init_gora.json").write_text(json.dumps(gora) + "\n")
print(gora["ranks"], [round(i, 4) for i in importances])
