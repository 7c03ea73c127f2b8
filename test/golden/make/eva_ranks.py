"""Ranks that PEFT's EVA moves, on the tiny golden BERT and over one batch of its tokens.

Of layers with one input PEFT gives the rank that is not there for all to one or another; cases where that decides are left out.

Run in this folder with torch, transformers and peft: python eva_ranks.py
"""
import json
import warnings
from pathlib import Path

import torch
from peft import EvaConfig, LoraConfig, get_peft_model, initialize_lora_eva_weights
from safetensors.torch import load_file
from transformers import AutoModel
from transformers.utils import logging

warnings.filterwarnings("ignore")
logging.set_verbosity_error()
GOLDEN = Path(__file__).parent.parent
MODEL = GOLDEN / "models" / "bert"
TARGETS = r"encoder\.layer\.\d+\..*(query|key|value|dense)"
ALPHA = 8

io = load_file(MODEL / "io.safetensors")
batch = {key: io[key].long() for key in ("input_ids", "attention_mask")}


def moved(r, rho):
    base = AutoModel.from_pretrained(MODEL, dtype=torch.float32, attn_implementation="eager").eval()
    sites = [name for name, module in base.named_modules() if isinstance(module, torch.nn.Linear) and name.startswith("encoder.")]
    config = LoraConfig(r=r, lora_alpha=ALPHA, target_modules=TARGETS, init_lora_weights="eva", eva_config=EvaConfig(rho=rho))
    model = get_peft_model(base, config, low_cpu_mem_usage=True)
    initialize_lora_eva_weights(model, [batch], show_progress_bar=False)
    layers = {name.removeprefix("base_model.model."): module for name, module in model.named_modules() if hasattr(module, "lora_A")}
    ranks = {site: layers[site].r["default"] if site in layers else 0 for site in sites}
    scales = {site: layer.scaling["default"] for site, layer in layers.items()}
    return {"rank": r, "alpha": ALPHA, "rho": rho, "ranks": ranks, "scales": scales}


cases = [moved(r, rho) for r, rho in ((1, 4.0), (2, 4.0), (2, 1.25), (3, 2.0), (4, 1.5), (5, 1.5), (6, 2.5))]
found = {"tokens": {key: value.tolist() for key, value in batch.items()}, "cases": cases}
(GOLDEN / "lora_pro" / "eva_ranks.json").write_text(json.dumps(found) + "\n")
for case in cases:
    print(case["rank"], case["rho"], list(case["ranks"].values()))
