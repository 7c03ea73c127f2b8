"""PyTorch + PEFT's step on a folder of `families.bench.ts`: python families_torch.py --folder F --threads 1

LoRA r = 8 on every linear layer of the blocks, AdamW, float32, the batch of the bench. Prints one JSON line { milliseconds }: the median of --steps steps after
the first.
"""
import argparse
import json
import os
import statistics
import time

parser = argparse.ArgumentParser()
parser.add_argument("--folder", required=True)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--steps", type=int, default=7)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForImageClassification, AutoModelForSeq2SeqLM

torch.set_num_threads(options.threads)
kind = AutoConfig.from_pretrained(options.folder).model_type
if kind == "t5":
    base = AutoModelForSeq2SeqLM.from_pretrained(options.folder, dtype=torch.float32)
    targets, saved = ["q", "k", "v", "o", "wi", "wo"], None
    ids = lambda rows, length, step: 3 + (torch.arange(rows * length) * step % 9000).reshape(rows, length)
    batch = {"input_ids": ids(8, 128, 37), "attention_mask": torch.ones(8, 128), "labels": ids(8, 32, 53)}
else:
    base = AutoModelForImageClassification.from_pretrained(options.folder, dtype=torch.float32)
    targets, saved = ["q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2"], ["classifier"]
    batch = {"pixel_values": torch.sin(torch.arange(8 * 3 * 224 * 224.0)).reshape(8, 3, 224, 224), "labels": torch.zeros(8, dtype=torch.long)}
model = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=targets, modules_to_save=saved)).train()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)

times = []
for _ in range(options.steps + 1):
    began = time.perf_counter()
    optimizer.zero_grad()
    model(**batch).loss.backward()
    optimizer.step()
    times.append(1000 * (time.perf_counter() - began))
print(json.dumps({"milliseconds": statistics.median(times[1:])}))
