"""Twenty steps on SmolLM2-135M-Instruct (Q4_1 weights dequantised to float32) in PyTorch, by LoRA and two forms of LoRA-Pro.

    python smollm2_training.py SmolLM2-135M-Instruct.Q4_1.gguf [--runs untrained,lora_adamw,…]

Writes ../training/smollm2/batches.safetensors (token ids [steps, 4, 128]) and <run>.json. torch 2.13.0 (CPU), transformers 5.24.0,
tokenizers 0.23.3, gguf 0.19.0.

Text: the sentences of bench/eras/data/train.jsonl (State of the Union addresses, public domain) in the file's order, joined by a space.
Rank 8, alpha 16, all seven linear layers of every block, constant learning rate. B = 0. A, which nobody needs to store: entry k (row by
row) of the pair with number p (block by block, in the order of LINEARS) is uniform(hash(hash(p + 1) + k)) in +-1/sqrt(in), as Kaiming's
uniform with a = sqrt(5) has it; `hash` is the finalizer of MurmurHash3 on 32 bits. Model and gradients are float32; LoRA-Pro's
mathematics is lorapro.py's in float64 on these, factors are stored in float32 after each step; moments of A and B are float64, those of
full W float32.
"""
import argparse
import json
import pathlib
import sys

import numpy as np
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from lorapro import DELTA, PairOptimizer, adjust, equivalent
from smollm2_generate import load

HERE = pathlib.Path(__file__).parent
OUT = HERE.parent / "training" / "smollm2"
TEXT = HERE.parents[2] / "bench" / "eras" / "data" / "train.jsonl"
LINEARS = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
SETTINGS = {"r": 8, "alpha": 16, "lr": 2e-4, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.0, "delta": DELTA,
            "x_mode": "sylvester", "steps": 20, "batch": 4, "length": 128}
RUNS = {"untrained": "none", "lora_adamw": "lora_adamw", "lora_pro_adamw_efficient": "adamw_efficient",
        "lora_pro_adamw_full": "adamw_full"}


def hash32(x):
    """The finalizer of MurmurHash3; uint32 arrays."""
    x = np.asarray(x, dtype=np.uint32)
    x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return x ^ (x >> np.uint32(16))


def start(pair, r, n):
    """A [r, n] of the pair with this number."""
    with np.errstate(over="ignore"):
        words = hash32(hash32(pair + 1) + np.arange(r * n, dtype=np.uint32))
    uniform = words.astype(np.float64) / 2**32
    return ((2 * uniform - 1) / np.sqrt(n)).astype(np.float32).reshape(r, n)


def batches():
    tokenizer = Tokenizer.from_file(str(HERE.parent / "tokenizers" / "smollm2" / "tokenizer.json"))
    rows = [json.loads(line)["text"] for line in TEXT.read_text(encoding="utf-8").splitlines()]
    needed = SETTINGS["steps"] * SETTINGS["batch"] * SETTINGS["length"]
    ids = tokenizer.encode(" ".join(rows[:500]), add_special_tokens=False).ids[:needed]
    assert len(ids) == needed
    return np.array(ids, dtype=np.int32).reshape(SETTINGS["steps"], SETTINGS["batch"], SETTINGS["length"])


class LoraLinear(torch.nn.Module):
    """y = x W^T + s (x A^T) B^T"""

    def __init__(self, base, A, s):
        super().__init__()
        self.weight, self.s = base.weight.requires_grad_(False), s
        self.A = torch.nn.Parameter(torch.from_numpy(A.copy()))
        self.B = torch.nn.Parameter(torch.zeros(base.weight.shape[0], A.shape[0]))

    def forward(self, x):
        return torch.nn.functional.linear(x, self.weight) + self.s * (x @ self.A.T) @ self.B.T


def adapt(model):
    r, s = SETTINGS["r"], SETTINGS["alpha"] / SETTINGS["r"]
    model.requires_grad_(False)
    pairs = []
    for block in model.model.layers:
        for name in LINEARS:
            owner, last = block.get_submodule(name.rsplit(".", 1)[0]), name.rsplit(".", 1)[1]
            base = getattr(owner, last)
            own = LoraLinear(base, start(len(pairs), r, base.weight.shape[1]), s)
            setattr(owner, last, own)
            pairs.append(own)
    return pairs


class FullPair:
    """lorapro.py's adamw_full with the moments of W in float32: in float64 they are 1.7 GB."""

    def __init__(self, m, n, s):
        (self.b1, self.b2), self.eps = SETTINGS["betas"], SETTINGS["eps"]
        self.M, self.V = np.zeros((m, n), np.float32), np.zeros((m, n), np.float32)
        self.s, self.t = s, 0

    def step(self, A, B, gA_lora, gB_lora, lr):
        self.t += 1
        _, gA, gB = adjust(A, B, gA_lora, gB_lora, self.s, "zero")
        g = equivalent(A, B, gA, gB, self.s)
        self.M = (self.b1 * self.M + (1 - self.b1) * g).astype(np.float32)
        self.V = (self.b2 * self.V + (1 - self.b2) * g * g).astype(np.float32)
        ghat = (self.M / (1 - self.b1**self.t)) / (np.sqrt(self.V / (1 - self.b2**self.t)) + self.eps)
        _, gA, gB = adjust(A, B, self.s * (B.T @ ghat), self.s * (ghat @ A.T), self.s)
        return A - lr * gA, B - lr * gB


def optimizer_of(rule, pair):
    m, n = pair.weight.shape
    return FullPair(m, n, pair.s) if rule == "adamw_full" else PairOptimizer(rule, m, n, SETTINGS["r"], pair.s)


def train(path, rule, ids):
    model = load(path)
    if rule == "none":  # the batches' losses without a step, to tell what steps gain
        with torch.no_grad():
            return [model(input_ids=batch, labels=batch).loss.item() for batch in torch.from_numpy(ids.astype(np.int64))], []
    pairs = adapt(model)
    optimizers = [optimizer_of(rule, pair) for pair in pairs]
    losses, norms = [], []
    for step, batch in enumerate(torch.from_numpy(ids.astype(np.int64))):
        loss = model(input_ids=batch, labels=batch, use_cache=False).loss
        model.zero_grad()
        loss.backward()
        norms.append(float(np.sqrt(sum(float((p.grad.double() ** 2).sum()) for pair in pairs for p in (pair.A, pair.B)))))
        losses.append(loss.item())
        print(f"{rule} step {step}: loss {losses[-1]:.6f}, gradient norm {norms[-1]:.6f}", file=sys.stderr, flush=True)
        for pair, own in zip(pairs, optimizers):
            values = [t.detach().numpy().astype(np.float64) for t in (pair.A, pair.B, pair.A.grad, pair.B.grad)]
            A, B = own.step(*values, SETTINGS["lr"])
            with torch.no_grad():
                pair.A.copy_(torch.from_numpy(A))
                pair.B.copy_(torch.from_numpy(B))
    return losses, norms


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("gguf")
    parser.add_argument("--runs", default=",".join(RUNS))
    options = parser.parse_args()
    torch.set_num_threads(2)
    ids = batches()
    OUT.mkdir(parents=True, exist_ok=True)
    save_file({"input_ids": ids}, str(OUT / "batches.safetensors"))
    for name in options.runs.split(","):
        losses, norms = train(options.gguf, RUNS[name], ids)
        content = {"rule": name, **SETTINGS, "loss": losses, **({"raw_gradient_norm": norms} if norms else {})}
        (OUT / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n")
