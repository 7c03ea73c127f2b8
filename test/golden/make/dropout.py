"""Adapted layers of PEFT in training, with a given mask in place of torch's random one: outputs and every gradient, float64.

The mask is made here from the paper's own form of the hash (pcg3d, Jarzynski and Olano, JCGT 9(3), 2020) in numpy.

Run in this folder with torch and peft: python dropout.py
"""
import json
from pathlib import Path

import numpy as np
import torch
from peft import AdaLoraConfig, LoraConfig, get_peft_model

TARGET = Path(__file__).parent.parent / "lora_pro" / "dropout.json"
TOKENS, IN, OUT, R, ALPHA = 6, 9, 7, 3, 5
RATE, SEED, OFFSET = 0.3, 4_000_000_123, 77


def pcg3d(index, offset, seed):
    x, y, z = (np.uint32(v) * np.uint32(1664525) + np.uint32(1013904223) for v in (index, offset, seed))
    x = x + y * z
    y = y + z * x
    z = z + x * y
    x, y, z = (v ^ (v >> np.uint32(16)) for v in (x, y, z))
    return x + y * z


def kept(size):
    index = np.arange(size, dtype=np.uint32)
    fixed = lambda value: np.full(size, value, dtype=np.uint32)
    return pcg3d(index, fixed(OFFSET), fixed(SEED)) >= np.uint32(round(RATE * 2**32))


class Masked(torch.nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.factor = mask / (1 - RATE)

    def forward(self, x):
        return x * self.factor


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(IN, OUT, dtype=torch.float64)

    def forward(self, x):
        return self.linear(x)


CONFIGS = {
    "lora": LoraConfig(r=R, lora_alpha=ALPHA, lora_dropout=RATE, target_modules=["linear"]),
    "dora": LoraConfig(r=R, lora_alpha=ALPHA, lora_dropout=RATE, target_modules=["linear"], use_dora=True),
    "adalora": AdaLoraConfig(
        init_r=R, target_r=R, lora_alpha=ALPHA, lora_dropout=RATE, target_modules=["linear"], total_step=10,
        orth_reg_weight=0.5,
    ),
}


def one(name, config):
    torch.manual_seed(0)
    random = lambda *shape: torch.randn(*shape, dtype=torch.float32).double()
    model = get_peft_model(Layer(), config).double().train()
    layer = model.base_model.model.linear
    assert isinstance(layer.lora_dropout["default"], torch.nn.Dropout) and layer.lora_dropout["default"].p == RATE
    mask = torch.tensor(kept(TOKENS * IN).reshape(TOKENS, IN), dtype=torch.float64)
    layer.lora_dropout["default"] = Masked(mask)
    weights = {"W": layer.base_layer.weight, "bias": layer.base_layer.bias}
    if name == "adalora":
        weights |= {"A": layer.lora_A["default"], "B": layer.lora_B["default"], "dense": layer.lora_E["default"]}
    else:
        weights |= {"A": layer.lora_A["default"].weight, "B": layer.lora_B["default"].weight}
    if name == "dora":
        weights |= {"dense": layer.lora_magnitude_vector["default"].weight}
    for key, weight in weights.items():
        weight.data.copy_(random(*weight.shape).abs() + 0.5 if key == "dense" and name == "dora" else random(*weight.shape))
    x, dy = random(TOKENS, IN).requires_grad_(), random(TOKENS, OUT)
    y = layer(x)
    (y * dy).sum().backward()
    gradients = {key: weights[key].grad for key in ("A", "B", "dense") if key in weights} | {"x": x.grad}
    listed = lambda tensors: {key: value.detach().flatten().tolist() for key, value in tensors.items()}
    return listed(weights) | {"x": x.detach().flatten().tolist(), "dy": dy.flatten().tolist()} | {
        "y": y.detach().flatten().tolist(), "gradients": listed(gradients),
    }


document = {
    "tokens": TOKENS, "in": IN, "out": OUT, "r": R, "alpha": ALPHA, "rate": RATE, "seed": SEED, "offset": OFFSET,
    "kept": "".join("1" if own else "0" for own in kept(TOKENS * IN)),
} | {name: one(name, config) for name, config in CONFIGS.items()}
TARGET.write_text(json.dumps(document) + "\n")
print(document["kept"])
