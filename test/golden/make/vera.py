"""VeRA on the tiny golden Llama: PEFT's adapter, and with it logits, loss, every gradient and merged weights.

Run in this folder with torch, transformers and peft: python vera.py
"""
import json
from pathlib import Path

import torch
from peft import VeraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

MODEL = Path(__file__).parent.parent / "models" / "llama"
NAMES = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj"]

torch.manual_seed(0)
model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager").eval()
targets = [f"model.layers.{i}.{name}" for i in range(model.config.num_hidden_layers) for name in NAMES]
config = VeraConfig(r=6, projection_prng_key=4_000_000_007, target_modules=targets, task_type="CAUSAL_LM")
model = get_peft_model(model, config).eval()
vectors = {name: p for name, p in model.named_parameters() if "vera_lambda_" in name}
with torch.no_grad():
    for vector in vectors.values():
        vector.normal_(0, 0.5)

folder = MODEL / "adapter-vera"
model.save_pretrained(folder)
for extra in folder.glob("README.md"):
    extra.unlink()
written = json.loads((folder / "adapter_config.json").read_text())
# the order of a set, and where the base lay
written |= {"target_modules": targets, "base_model_name_or_path": "llama"}
(folder / "adapter_config.json").write_text(json.dumps(written, indent=2) + "\n")

io = load_file(MODEL / "io.safetensors")
inputs = {"input_ids": io["input_ids"].long(), "attention_mask": io["attention_mask"].long(), "labels": io["labels"].long()}
output = model(**inputs)
output.loss.backward()
found = {"logits": output.logits.detach(), "loss": output.loss.detach().reshape(1)}
for name, vector in vectors.items():
    found["grad." + name.replace(".default", "")] = vector.grad
for name in (targets[0], targets[3], targets[4]):
    layer = model.get_submodule(f"base_model.model.{name}")
    found[f"merged.{name}.weight"] = (layer.base_layer.weight + layer.get_delta_weight("default")).detach()
save_file({key: value.contiguous() for key, value in found.items()}, MODEL / "adapter_io-vera.safetensors")
