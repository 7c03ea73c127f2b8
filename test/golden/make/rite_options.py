"""A trajectory of LoRA-RITE with all its options, float64, by the authors' own optimizer: `successors/16x10_r4_rite_options.json`.

Run in this folder with torch, beside lora_rite.py of github.com/gkevinyen5418/LoRA-RITE (commit c9bb451): python rite_options.py FOLDER
Start, gradients and fields are those of `16x10_r4_rite_clip1.json`; the gradients of W turn from step to step, so that transports lose some of V.
"""
import json
import math
import sys
from pathlib import Path

import torch

sys.path.insert(0, sys.argv[1])
from lora_rite import LoRARite  # noqa: E402

FOLDER = Path(__file__).parent.parent / "successors"
OPTIONS = dict(betas=[0.9, 0.95], lr=0.05, clip_unmagnified_grad=0.6, update_capping=0.5, update_skipping=0.1,
               weight_decay=0.1, apply_escape=True, balance_param=True)

torch.set_default_dtype(torch.float64)
golden = json.loads((FOLDER / "16x10_r4_rite_clip1.json").read_text())
s = golden["s"]
A = torch.nn.Parameter(torch.tensor(golden["A0"]))
B = torch.nn.Parameter(torch.tensor(golden["B0"]))
optimizer = LoRARite([A, B], **OPTIONS)
path = {"A": [], "B": []}
seen = []
for G in map(torch.tensor, golden["G"]):
    A.grad, B.grad = s * B.data.T @ G, s * G @ A.data.T
    optimizer.step()
    state = optimizer.state[A]["attr"]
    shown = (s * G.T @ state.basis_r, s * G @ state.basis_l.T, state.m_l, state.m_r)
    seen.append([*map(float, map(optimizer.helper.reduce_rms, shown)), float(state.escape_l), float(state.escape_r)])
    path["A"].append(A.data.tolist())
    path["B"].append(B.data.tolist())
for row in seen:
    print("RMS of the gradient, RMS of M, escape; of A and B each:", *("%.3g" % x for x in row))
assert math.isfinite(sum(map(sum, path["A"][-1])))
(FOLDER / "16x10_r4_rite_options.json").write_text(json.dumps({**golden, "options": OPTIONS, **path}))
