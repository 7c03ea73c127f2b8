"""Outputs of a small torch network with an adapter of a LayersModel, as Hugging Face PEFT computes them from the folder alone.

Reads {weights: {name: {shape, values}}, image: {shape, values}, tokens: [[int]], adapters: [folder]} from stdin and prints a JSON list of
outputs [rows, 4], one for each adapter. Fails where PEFT adapts more or less than the adapter file holds.

Needs torch, peft, safetensors. Shares nothing with the package but the files it reads.
"""

import json
import sys

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 6, (3, 2), stride=2)
        self.second = torch.nn.Conv2d(6, 5, 3, bias=False)
        self.words = torch.nn.Embedding(11, 7)
        self.along = torch.nn.Conv1d(7, 5, 2)
        self.logits = torch.nn.Linear(10, 4)

    def forward(self, image, tokens):
        seen = self.second(torch.relu(self.first(image))).mean((2, 3))
        read = torch.tanh(self.along(self.words(tokens).transpose(1, 2))).amax(2)
        return self.logits(torch.cat([seen, read], 1))


def tensor(given):
    return torch.tensor(given["values"]).reshape(given["shape"])


@torch.no_grad()
def outputs(case, folder):
    network = Network()
    network.load_state_dict({name: tensor(given) for name, given in case["weights"].items()})
    model = PeftModel.from_pretrained(network, folder).eval()
    held = load_file(f"{folder}/adapter_model.safetensors")
    used = get_peft_model_state_dict(model, save_embedding_layers=False)
    if set(held) != set(used):
        raise SystemExit(f"only in the file {sorted(set(held) - set(used))}, only in PEFT {sorted(set(used) - set(held))}")
    for name, value in held.items():
        if not torch.equal(value, used[name]):
            raise SystemExit(f"PEFT did not load {name}")
    return model(tensor(case["image"]), torch.tensor(case["tokens"])).tolist()


case = json.load(sys.stdin)
print(json.dumps([outputs(case, folder) for folder in case["adapters"]]))
