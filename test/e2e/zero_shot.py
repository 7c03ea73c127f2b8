"""What CLIP says of images by transformers and PEFT, from what a run left.

Reads a JSON list of cases {base, adapter or null, images, labels, templates} from stdin and prints a JSON list of {logits [images, labels]}.
Fails where a weight of the base, or a tensor of the adapter, has no place.

Needs torch, transformers, peft, safetensors, pillow. Shares nothing with the package but the files it reads.
"""

import json
import sys

import torch
from peft import PeftModel
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoProcessor, CLIPModel


def load(base, adapter):
    model, info = CLIPModel.from_pretrained(base, output_loading_info=True)
    wrong = {key: sorted(map(str, info[key])) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(wrong.values()):
        raise SystemExit(f"{base}: was not loaded as a whole: {wrong}")
    if adapter is None:
        return model.eval()
    model = PeftModel.from_pretrained(model, adapter)
    places = {name.replace(".default", "") for name, _ in model.named_parameters() if "lora_" in name}
    stored = set(load_file(f"{adapter}/adapter_model.safetensors"))
    if places != stored:
        raise SystemExit(f"{adapter}: {sorted(places ^ stored)}")
    return model.eval()


@torch.no_grad()
def logits(case):
    model = load(case["base"], case["adapter"])
    processor = AutoProcessor.from_pretrained(case["base"])
    texts = [template.replace("{}", label) for label in case["labels"] for template in case["templates"]]
    images = [Image.open(path).convert("RGB") for path in case["images"]]
    inputs = processor(text=texts, images=images, padding=True, truncation=True, return_tensors="pt")
    output = model(**inputs)
    weights = output.text_embeds.reshape(len(case["labels"]), len(case["templates"]), -1).mean(1)
    weights = weights / weights.norm(dim=-1, keepdim=True)
    return {"logits": (model.logit_scale.exp() * output.image_embeds @ weights.T).tolist()}


if __name__ == "__main__":
    print(json.dumps([logits(case) for case in json.load(sys.stdin)]))
