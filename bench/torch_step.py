"""PyTorch + PEFT's step at one shape, for the step bench: python torch_step.py --batch 4 --length 32 --threads 1

The model of the examples (all-MiniLM-L6-v2's shape) or the one in --folder, LoRA r = 8 on every linear layer, AdamW, float32.
Prints one JSON line { milliseconds, peakBytes }: the median of --steps steps after one warm-up. With --device cuda a step ends when
the GPU has done it, and peakBytes is what PyTorch has allocated there at most.
"""
import argparse, json, os, resource, statistics, time

parser = argparse.ArgumentParser()
parser.add_argument("--batch", type=int, required=True)
parser.add_argument("--length", type=int, required=True)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--device", default="cpu")
parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32", help="bfloat16: autocast of the forward pass")
parser.add_argument("--folder", default=os.path.join(os.path.dirname(__file__), "..", "examples", "models", "minilm"))
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModel

torch.set_num_threads(options.threads)
base = AutoModel.from_pretrained(options.folder, dtype=torch.float32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
base.pooler = None
targets = ["query", "key", "value", "dense"]
model = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=targets))
model = model.to(options.device)
head = torch.nn.Linear(base.config.hidden_size, 2).to(options.device)
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad] + list(head.parameters()), lr=1e-4)
ids = (torch.arange(options.batch * options.length) * 37 % 9000).reshape(options.batch, options.length).to(options.device)
mask = torch.ones_like(ids)
labels = (torch.arange(options.batch) % 2).to(options.device)
on_gpu = options.device != "cpu"

times = []
for _ in range(options.steps + 1):
    began = time.perf_counter()
    optimizer.zero_grad()
    with torch.autocast(options.device.split(":")[0], torch.bfloat16, enabled=options.precision == "bfloat16"):
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
        loss = torch.nn.functional.cross_entropy(head(hidden.mean(1)), labels)
    loss.backward()
    optimizer.step()
    if on_gpu:
        torch.cuda.synchronize()
    times.append(1000 * (time.perf_counter() - began))
print(json.dumps({
    "milliseconds": statistics.median(times[1:]),
    "peakBytes": torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
}))
