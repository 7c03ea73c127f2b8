"""Trajectories of PEFT's Riemannian-preconditioned AdamW, float64, from the same start as `lora_pro/traj_{a,b}_lora_adamw.json`.

Run in this folder with torch and peft: python riemannian.py
"""
import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_riemannian_optimizer

FOLDER = Path(__file__).parent.parent / "lora_pro"
REG = 1e-6                          # the authors' value; PEFT's default is 1e-2


class Layer(torch.nn.Module):
    def __init__(self, W0):
        super().__init__()
        self.linear = torch.nn.Linear(W0.shape[1], W0.shape[0], bias=False, dtype=torch.float64)
        self.linear.weight.data.copy_(W0)

    def forward(self, x):
        return self.linear(x)


def trajectory(name, weight_decay):
    start = json.loads((FOLDER / f"traj_{name}_lora_adamw.json").read_text())
    W0, W_star, A0, B0 = (torch.tensor(start[key], dtype=torch.float64) for key in ("W0", "W_star", "A0", "B0"))
    r, s = start["r"], start["s"]
    model = get_peft_model(Layer(W0), LoraConfig(r=r, lora_alpha=s * r, target_modules=["linear"])).double()
    layer = model.base_model.model.linear
    A, B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    A.data.copy_(A0)
    B.data.copy_(B0)
    betas, eps, lr = tuple(start["betas"]), start["eps"], start["lr"][0]
    optimizer = create_riemannian_optimizer(
        model, torch.optim.AdamW, lr=lr, reg=REG, betas=betas, eps=eps, weight_decay=weight_decay
    )
    eye = torch.eye(W0.shape[1], dtype=torch.float64)
    steps, losses, As, Bs = len(start["lr"]), [], [], []
    for _ in range(steps + 1):
        loss = 0.5 * ((model(eye).T - W_star) ** 2).sum()
        losses.append(loss.item())
        if len(losses) > steps:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        As.append(A.detach().tolist())
        Bs.append(B.detach().tolist())
    suffix = "" if weight_decay == 0 else "_wd"
    own = {
        "name": f"traj_{name}_riemannian_adamw{suffix}", "rule": "riemannian_adamw", "delta": REG, "lr": start["lr"],
        "weight_decay": weight_decay, "A": As, "B": Bs, "loss": losses, "source": "peft/optimizers/riemannian.py",
    }
    kept = ("m", "n", "r", "s", "x_mode", "betas", "eps", "lr_ratio_B_over_A", "W0", "W_star", "A0", "B0")
    (FOLDER / f"{own['name']}.json").write_text(json.dumps({**{key: start[key] for key in kept}, **own}) + "\n")
    print(own["name"], [round(loss, 4) for loss in losses])


if __name__ == "__main__":
    trajectory("a", 0.0)
    trajectory("b", 0.01)
