"""PyTorch + PEFT's training step of a language model, for the bench: python torch_step.py MODEL --rank 8 --batch 4 --length 128 --threads 2

MODEL is a GGUF file of Llama's architecture, dequantised, or a Hugging Face folder. LoRA on all linear layers of the blocks, AdamW. Prints one
JSON line { milliseconds, loading, peakBytes }: the median of --steps steps after two that are not timed. Under --precision bfloat16 the base
is in bfloat16 and PEFT keeps the adapter in float32, its default.
"""
import argparse, json, os, pathlib, resource, statistics, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("--rank", type=int, default=8)
parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
parser.add_argument("--recompute", choices=["none", "blocks"], default="none")
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--length", type=int, required=True)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--steps", type=int, default=4)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

torch.set_num_threads(options.threads)
began = time.perf_counter()
dtype = getattr(torch, options.precision)
if options.model.endswith(".gguf"):
    sys.dont_write_bytecode = True
    sys.path.append(str(pathlib.Path(__file__).parents[2] / "test" / "golden" / "make"))
    from smollm2_generate import load

    base = load(options.model).to(dtype)
else:
    base = AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype)
loading = 1000 * (time.perf_counter() - began)
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
model = get_peft_model(base, LoraConfig(r=options.rank, lora_alpha=2 * options.rank, target_modules=targets, task_type="CAUSAL_LM"))
if options.recompute == "blocks":
    model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-4)
ids = (torch.arange(options.batch * options.length) * 37 % base.config.vocab_size).reshape(options.batch, options.length)

times = []
for step in range(options.steps + 2):
    began = time.perf_counter()
    optimizer.zero_grad()
    model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
    optimizer.step()
    times.append(1000 * (time.perf_counter() - began))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"milliseconds": statistics.median(times[2:]), "loading": loading, "peakBytes": peak}))
