"""Trajectories of LoRA-Pro's full form with factored moments, float64, from the same start as `lora_pro/traj_{a,b}_lora_adamw.json`.

Dense NumPy: g, the projectors, m, the rows' and columns' means and u are formed whole, which the package never does.
Run in this folder with numpy and scipy: python factored_moments.py
"""
import json
from pathlib import Path

import numpy as np
from scipy.linalg import solve_sylvester

FOLDER = Path(__file__).parent.parent / "lora_pro"
DELTA = 1e-8


def damped(gram):
    return np.linalg.inv(gram + DELTA * np.eye(len(gram)))


def pull_back(A, B, s, u, x_mode):
    """The theorem with sBᵀu and suAᵀ as the factors' gradients."""
    gA, gB = s * B.T @ u, s * u @ A.T
    iB, iA = damped(B.T @ B), damped(A @ A.T)
    if x_mode == "zero" or not B.any():
        X = np.zeros((len(A), len(A)))
    elif x_mode == "symmetric":
        X = -0.5 / s**2 * iB @ B.T @ gB @ iA
    else:
        X = solve_sylvester(B.T @ B, A @ A.T, -(1 / s**2) * iB @ gA @ A.T)
    dA = iB @ gA / s**2 + X @ A
    dB = (gB - B @ iB @ B.T @ gB) @ iA / s**2 - B @ X
    return dA, dB


def trajectory(name, x_mode):
    start = json.loads((FOLDER / f"traj_{name}_lora_adamw.json").read_text())
    W0, W_star, A, B = (np.array(start[key]) for key in ("W0", "W_star", "A0", "B0"))
    s, (b1, b2), eps = start["s"], start["betas"], start["eps"]
    m, rho, kappa = np.zeros_like(W0), 0.0, 0.0
    losses, As, Bs = [], [], []
    for t in range(1, len(start["lr"]) + 2):
        g = W0 + s * B @ A - W_star
        losses.append(0.5 * (g**2).sum())
        if t > len(start["lr"]):
            break
        PB, PA = B @ damped(B.T @ B) @ B.T, A.T @ damped(A @ A.T) @ A

        def tangent(x):
            return PB @ x + x @ PA - PB @ x @ PA

        equivalent = tangent(g)
        m = b1 * tangent(m) + (1 - b1) * equivalent
        rho = b2 * rho + (1 - b2) * (equivalent**2).mean(1)
        kappa = b2 * kappa + (1 - b2) * (equivalent**2).mean(0)
        rho_hat, kappa_hat = rho / (1 - b2**t), kappa / (1 - b2**t)
        rows, columns = np.sqrt(rho_hat) + eps, np.sqrt(kappa_hat) + eps
        u = m / (1 - b1**t) * np.sqrt(rho_hat.mean()) / np.outer(rows, columns)
        dA, dB = pull_back(A, B, s, u, x_mode)
        rate = start["lr"][t - 1]
        A, B = A - rate * dA, B - rate * dB
        As.append(A.tolist())
        Bs.append(B.tolist())
    suffix = "" if x_mode == "sylvester" else f"_x_{x_mode}"
    own = {
        "name": f"traj_{name}_adamw_full_factored{suffix}", "rule": "adamw_full_factored", "delta": DELTA, "lr": start["lr"],
        "x_mode": x_mode, "weight_decay": 0, "A": As, "B": Bs, "loss": losses,
    }
    kept = ("m", "n", "r", "s", "betas", "eps", "lr_ratio_B_over_A", "W0", "W_star", "A0", "B0")
    (FOLDER / f"{own['name']}.json").write_text(json.dumps({**{key: start[key] for key in kept}, **own}) + "\n")
    print(own["name"], [round(float(loss), 4) for loss in losses])


if __name__ == "__main__":
    trajectory("a", "sylvester")
    trajectory("b", "sylvester")
    trajectory("b", "symmetric")
