"""Losses of 50 LoRA steps of MiniLM in PyTorch + PEFT: in float32, under autocast to bfloat16, and with a base in bfloat16.

    python test/golden/make/precision.py > test/golden/precision/losses.json

Batches of 4 x 32 tokens, other ones in each step, r = 8 on every linear layer, AdamW at 1e-3, mean pooling and a head that is trained in
float32. torch 2.13.0, transformers 5.24.0, peft 0.21.2.
"""
import json, pathlib

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModel

torch.set_num_threads(1)
FOLDER = pathlib.Path(__file__).parents[3] / "examples" / "models" / "minilm"
STEPS, BATCH, LENGTH = 50, 4, 32


def losses(dtype, autocast):
    torch.manual_seed(0)
    base = AutoModel.from_pretrained(FOLDER, dtype=dtype, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    base.pooler = None
    model = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=["query", "key", "value", "dense"]))
    head = torch.nn.Linear(base.config.hidden_size, 2)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad] + list(head.parameters()), lr=1e-3, weight_decay=0)
    labels = torch.arange(BATCH) % 2
    for step in range(STEPS):
        ids = ((torch.arange(BATCH * LENGTH) + step * BATCH * LENGTH) * 37 % 9000).reshape(BATCH, LENGTH)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        loss = torch.nn.functional.cross_entropy(head(hidden.float().mean(1)), labels)
        loss.backward()
        optimizer.step()
        yield loss.item()


cases = {"float32": (torch.float32, False), "autocast": (torch.float32, True), "bfloat16": (torch.bfloat16, False)}
print(json.dumps({name: list(losses(*case)) for name, case in cases.items()}))
