"""PyTorch + PEFT's training step on SmolLM2-135M-Instruct, for the bench: python torch_step.py GGUF --batch 4 --length 128 --threads 2

The GGUF's weights dequantised to float32, LoRA r = 8 on all linear layers of the blocks, AdamW. Prints one JSON line
{ milliseconds, loading, peakBytes }: the median of --steps steps after two that are not timed.
"""
import argparse, json, os, pathlib, resource, statistics, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("gguf")
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--length", type=int, required=True)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--steps", type=int, default=4)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch
from peft import LoraConfig, get_peft_model

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).parents[2] / "test" / "golden" / "make"))
from smollm2_generate import load

torch.set_num_threads(options.threads)
began = time.perf_counter()
base = load(options.gguf)
loading = 1000 * (time.perf_counter() - began)
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
model = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=targets, task_type="CAUSAL_LM"))
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)
ids = (torch.arange(options.batch * options.length) * 37 % 49152).reshape(options.batch, options.length)

times = []
for step in range(options.steps + 2):
    began = time.perf_counter()
    optimizer.zero_grad()
    model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    optimizer.step()
    times.append(1000 * (time.perf_counter() - began))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"milliseconds": statistics.median(times[2:]), "loading": loading, "peakBytes": peak}))
