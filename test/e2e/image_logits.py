"""Logits of images as transformers computes them: of merged folders, and of adapters over their base with PEFT.

Reads a JSON list of cases {folder, adapter?, labels, images} from stdin and prints a JSON list of logits [images, labels]. Images are
prepared by the folder's own preprocessor_config.json. Fails where a weight of a merged folder is missing, unexpected or misshapen, and
where PEFT does not load all that an adapter's file holds: both only warn.

Needs torch, torchvision, transformers, peft, safetensors, Pillow. Shares nothing with the package but the files it reads.
"""

import json
import sys

import torch
from peft import PeftModel, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoModelForImageClassification


def merged(folder):
    model, info = AutoModelForImageClassification.from_pretrained(folder, output_loading_info=True)
    wrong = {key: sorted(map(str, info[key])) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(wrong.values()):
        raise SystemExit(f"{folder}: not loaded as a whole: {wrong}")
    return model


def adapted(folder, adapter, labels):
    base = AutoModelForImageClassification.from_pretrained(folder, num_labels=len(labels), ignore_mismatched_sizes=True)
    model = PeftModel.from_pretrained(base, adapter)
    held, used = load_file(f"{adapter}/adapter_model.safetensors"), get_peft_model_state_dict(model)
    if set(held) != set(used):
        raise SystemExit(f"{adapter}: only in the file {sorted(set(held) - set(used))}, only in PEFT {sorted(set(used) - set(held))}")
    for name, tensor in held.items():
        if not torch.equal(tensor, used[name]):
            raise SystemExit(f"{adapter}: PEFT did not load {name}")
    return model


@torch.no_grad()
def logits(case):
    folder, labels = case["folder"], case["labels"]
    model = (adapted(folder, case["adapter"], labels) if "adapter" in case else merged(folder)).eval()
    processor = AutoImageProcessor.from_pretrained(folder)
    images = [Image.open(name).convert("RGB") for name in case["images"]]
    return model(pixel_values=processor(images, return_tensors="pt")["pixel_values"]).logits.tolist()


print(json.dumps([logits(case) for case in json.load(sys.stdin)]))
