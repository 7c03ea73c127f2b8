"""Trajectories of RefLoRA's authors' own code, float64, on given gradients of W.

Run in this folder with torch and peft, and reflora/reflora.py of github.com/zhangyilang/RefLoRA @ 23bea48 (MIT) on the path:
PYTHONPATH=RefLoRA/reflora python reflora_trajectories.py
"""
import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from reflora import Refactorer

FOLDER = Path(__file__).parent.parent / "successors"
STEPS = 8


class Layer(torch.nn.Module):
    def __init__(self, m, n):
        super().__init__()
        self.linear = torch.nn.Linear(n, m, bias=False, dtype=torch.float64)

    def forward(self, x):
        return self.linear(x)


def trajectory(m, n, r, s, scalar, B_zero, weight_decay):
    torch.manual_seed(m + 10 * r)
    model = get_peft_model(Layer(m, n), LoraConfig(r=r, lora_alpha=s * r, target_modules=["linear"])).double()
    layer = model.base_model.model.linear
    A, B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    A.data.copy_((torch.randn(r, n) / n**0.5).float().double())
    B.data.copy_((torch.zeros(m, r) if B_zero else torch.randn(m, r) / 10).float().double())
    G = torch.randn(STEPS, m, n).float().double()
    options = dict(lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)
    optimizer = torch.optim.AdamW(model.parameters(), **options)
    refactorer = Refactorer(model, use_scalar=scalar, warmup_steps=2)
    refactorer.integrate_into_optimizer(optimizer)
    start = dict(A0=A.tolist(), B0=B.tolist())
    As, Bs = [], []
    eye = torch.eye(n, dtype=torch.float64)
    for g in G:
        optimizer.zero_grad()
        (model(eye).T * g).sum().backward()
        optimizer.step()
        As.append(A.detach().tolist())
        Bs.append(B.detach().tolist())
    form = "scalar" if scalar else "full"
    name = f"{m}x{n}_r{r}{'_B_zero' if B_zero else ''}_reflora_{form}"
    own = dict(kind="reflora", form=form, m=m, n=n, r=r, s=s, options={**options, "warmup_steps": 2})
    text = json.dumps({**own, **start, "G": G.tolist(), "A": As, "B": Bs, "tolerance_relative": 1e-9})
    (FOLDER / f"{name}.json").write_text(text + "\n")
    print(name, A.norm().item(), B.norm().item())


if __name__ == "__main__":
    for scalar in (False, True):
        trajectory(7, 9, 3, 2.0, scalar, False, 0.01)
        trajectory(10, 8, 4, 1.0, scalar, True, 0.0)
