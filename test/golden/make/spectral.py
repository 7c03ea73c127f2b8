"""Trajectories of LoRA-Muon (arXiv 2606.12921) and LoRA-TSD (arXiv 2609.02734) by the papers' formulas, float64, NumPy alone.

msign by SVD: exact, singular values below 1e-12 of the largest counting as 0, or what eight steps of Polar Express make of each (arXiv
2505.16932), where small ones matter: from B = 0 the tangent element's are soon below 1e-3 of the largest; (.)^-1/2 and (.)^-1 by eigenvectors, likewise. Of TSD the tangent
element is the paper's (Algorithm 2, eq. 23: thin QR of both factors, the core's sign, projection); how it is split between A and B is
LoRA-Pro's Sylvester choice, here by a Kronecker product. Both take s into account: the papers have s = 1.

Loss 0.5 ||W0 + sBA - W*||_F^2. Run in this folder with NumPy: python spectral.py
"""
import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent.parent / "spectral"


def power(gram, exponent):
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-12 * max(values.max(), 1e-300)
    return (vectors[:, kept] * values[kept] ** exponent) @ vectors[:, kept].T


POLYNOMIALS = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
    (1.8750014808534479, -1.2500016453999487, 0.3750001645474248),
    (1.875, -1.25, 0.375),
]


def exact(sigma):
    return (sigma > 1e-12 * max(sigma.max(), 1e-300)).astype(float)


def polar_express(sigma):
    x = sigma / (1.01 * np.linalg.norm(sigma))
    for i, (a, b, c) in enumerate(POLYNOMIALS):
        k = 1.01 if i < len(POLYNOMIALS) - 1 else 1
        x = a * x / k + b * (x / k) ** 3 + c * (x / k) ** 5
    return x


def msign(x, sign=exact):
    u, sigma, v = np.linalg.svd(x, full_matrices=False)
    return u * sign(sigma) @ v


def muon(A, B, mA, mB, s):
    RA, RB = power(A @ A.T, -0.5), power(B.T @ B, -0.5)
    return RB @ msign(RB @ mA) / (2 * s), msign(mB @ RA) @ RA / (2 * s)


def tangent(L, R, A, B):
    """eq. 23: the projection of LR on the tangent space at BA, as factors."""
    IA, IB = power(A @ A.T, -1), power(B.T @ B, -1)
    C, D = IB @ B.T @ L, R @ A.T @ IA
    return np.hstack([B, L @ D]), np.vstack([C @ R - C @ D @ A, A])


def tsd(A, B, mA, mB, s, tau, sign):
    IA, IB = power(A @ A.T, -1), power(B.T @ B, -1)
    PA = A.T @ IA @ A
    # momentum of W's gradient: mA = s B^T M, mB = s M A^T
    L, R = np.hstack([B, mB / s @ IA]), np.vstack([IB @ mA / s @ (np.eye(A.shape[1]) - PA), A])
    for _ in range(tau):
        QL, RL = np.linalg.qr(L)
        QR, RR = np.linalg.qr(R.T)
        L, R = tangent(QL @ msign(RL @ RR.T, sign), QR.T, A, B)
    move = L @ R / s
    dA, dB = IB @ B.T @ move, (move - B @ IB @ B.T @ move) @ A.T @ IA
    # B^T B X + X A A^T = -IB B^T move A^T, the X of least distance to mA and mB: dA + XA, dB - BX
    r = len(A)
    system = np.kron(B.T @ B, np.eye(r)) + np.kron(np.eye(r), A @ A.T)
    X = np.linalg.solve(system, -(IB @ B.T @ move @ A.T).flatten()).reshape(r, r)
    return dA + X @ A, dB - B @ X


def trajectory(name, rule, seed, m, n, r, s, lr, momentum, weight_decay, b_size, tau=None, sign=exact):
    random = np.random.default_rng(seed)
    W0, W_star = random.normal(size=(m, n)), random.normal(size=(m, n))
    A, B = random.normal(size=(r, n)), b_size * random.normal(size=(m, r))
    # what float32 holds, so that both start alike
    W0, W_star, A, B = (x.astype(np.float32).astype(np.float64) for x in (W0, W_star, A, B))
    own = {"name": name, "rule": rule, "s": s, "lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    own |= {"W0": W0.tolist(), "W_star": W_star.tolist(), "A0": A.tolist(), "B0": B.tolist()}
    mA, mB, As, Bs, losses = np.zeros_like(A), np.zeros_like(B), [], [], []
    for rate in lr:
        g = W0 + s * B @ A - W_star
        losses.append(0.5 * (g**2).sum())
        mA, mB = (momentum * old + (1 - momentum) * new for old, new in ((mA, s * B.T @ g), (mB, s * g @ A.T)))
        dA, dB = muon(A, B, mA, mB, s) if tau is None else tsd(A, B, mA, mB, s, tau, sign)
        if tau is None:  # split decay
            k = np.sqrt(1 - weight_decay * rate)
            A, B = k * A - rate * dA / k, k * B - rate * dB / k
        else:
            A, B = (1 - weight_decay * rate) * A - rate * dA, (1 - weight_decay * rate) * B - rate * dB
        As.append(A.tolist())
        Bs.append(B.tolist())
    own |= {"A": As, "B": Bs, "loss": losses} | ({} if tau is None else {"tau": tau})
    (FOLDER / f"{name}.json").write_text(json.dumps(own) + "\n")
    print(name, [round(loss, 3) for loss in losses])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    rates = [0.05, 0.1, 0.2, 0.2, 0.15, 0.1]
    trajectory("muon_b", "lora-muon", 1, 16, 20, 4, 2.0, rates, 0.9, 0.01, 1.0)
    trajectory("muon_zero", "lora-muon", 2, 12, 10, 3, 1.0, rates, 0.9, 0.0, 0.0)
    trajectory("tsd_b", "lora-tsd", 1, 16, 20, 4, 2.0, rates, 0.9, 0.01, 1.0, tau=3)
    trajectory("tsd_one", "lora-tsd", 3, 11, 14, 4, 0.5, rates, 0.0, 0.0, 1.0, tau=1)
    trajectory("tsd_zero", "lora-tsd", 5, 12, 10, 3, 1.0, rates, 0.9, 0.0, 0.0, tau=3, sign=polar_express)
