"""Logits of models of images as transformers and PEFT compute them: [{base, adapter?, pixels}] from stdin, [{class, logits, strange}] to stdout.

`strange`: names in the base's file that the class has no place for, and those of the class that the file lacks.
"""
import json
import sys

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForImageClassification

answers = []
for case in json.load(sys.stdin):
    model, info = AutoModelForImageClassification.from_pretrained(case["base"], output_loading_info=True)
    if "adapter" in case:
        model = PeftModel.from_pretrained(model, case["adapter"])
    with torch.no_grad():
        logits = model.eval()(pixel_values=load_file(case["pixels"])["pixel_values"]).logits
    strange = sorted(info["unexpected_keys"]) + sorted(info["missing_keys"])
    name = type(model.get_base_model() if "adapter" in case else model).__name__
    answers.append({"class": name, "logits": logits.tolist(), "strange": strange})
print(json.dumps(answers))
