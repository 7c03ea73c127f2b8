"""What transformers takes to write on SmolLM2-135M-Instruct, for the bench: python torch_write.py GGUF --context 512 --tokens 33 --threads 2

The GGUF's weights dequantised to float32, greedy, with its key/value cache and scaled dot-product attention. Prints one JSON line
{ firstMilliseconds, tokenMilliseconds, peakBytes } as write.ts does.
"""
import argparse, json, os, pathlib, resource, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("gguf")
parser.add_argument("--context", type=int, required=True)
parser.add_argument("--tokens", type=int, required=True)
parser.add_argument("--threads", type=int, default=1)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch

sys.dont_write_bytecode = True
sys.path.append(str(pathlib.Path(__file__).parents[2] / "test" / "golden" / "make"))
from smollm2_generate import load

torch.set_num_threads(options.threads)
model = load(options.gguf).eval()
model.set_attn_implementation("sdpa")
prompt = torch.tensor([[20 + (i * 37) % 49_000 for i in range(options.context)]])


@torch.inference_mode()
def write(count):
    """Milliseconds to the first token, and of each behind it."""
    began = time.perf_counter()
    out = model(prompt, use_cache=True, logits_to_keep=1)
    token = out.logits[:, -1].argmax(-1, keepdim=True)
    first = time.perf_counter()
    for _ in range(count - 1):
        out = model(token, past_key_values=out.past_key_values, use_cache=True)
        token = out.logits[:, -1].argmax(-1, keepdim=True)
    token.item()
    return 1000 * (first - began), 1000 * (time.perf_counter() - first) / max(1, count - 1)


write(2)
first, _ = write(1)
_, each = write(options.tokens)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"firstMilliseconds": first, "tokenMilliseconds": each, "peakBytes": peak}))
