"""Logits, losses and gradients of transformers' token classification classes over every family of encoders, and a PEFT adapter over BERT's.

Run in this folder with torch, transformers, peft, safetensors (made with 2.13.0, 4.57.3, 0.21.2): python token_heads.py
"""
import shutil
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForTokenClassification

FOLDER = Path(__file__).parent.parent
OUT = FOLDER / "training" / "token-heads"
SITES = {"bert": "encoder.layer.1.output.dense", "roberta": "encoder.layer.1.output.dense", "distilbert": "transformer.layer.1.ffn.lin2", "modernbert": "layers.1.mlp.Wo"}
LABELS = ["O", "B-a", "I-a", "B-b", "I-b"]


def batch(generator):
    lengths = [9, 4, 7]
    ids, mask, labels = torch.full((3, 9), 1), torch.zeros(3, 9, dtype=torch.int64), torch.full((3, 9), -100)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(5, 90, (length,), generator=generator)
        mask[row, :length] = 1
        labels[row, 1 : length - 1] = torch.randint(0, 5, (length - 2,), generator=generator)
    labels[0, 4] = -100
    return ids, mask, labels


def loaded(family):
    model = AutoModelForTokenClassification.from_pretrained(FOLDER / "models" / family, num_labels=5, id2label=dict(enumerate(LABELS)), dtype=torch.float32, ignore_mismatched_sizes=True).eval()
    generator = torch.Generator().manual_seed(3)
    model.classifier.weight.data = 0.3 * torch.randn(model.classifier.weight.shape, generator=generator)
    model.classifier.bias.data = 0.1 * torch.randn(5, generator=generator)
    return model


def main():
    OUT.mkdir(exist_ok=True)
    for family, site in SITES.items():
        ids, mask, labels = batch(torch.Generator().manual_seed(39))
        model = loaded(family)
        parameters = {f"{site}.weight": model.base_model.get_parameter(f"{site}.weight"), "classifier.weight": model.classifier.weight, "classifier.bias": model.classifier.bias}
        if family == "modernbert":
            parameters |= {name: model.get_parameter(name) for name in ("head.dense.weight", "head.norm.weight")}
        said = model(input_ids=ids, attention_mask=mask, labels=labels)
        said.loss.backward()
        tensors = {"input_ids": ids.int(), "attention_mask": mask.int(), "labels": labels.int(), "logits": said.logits.detach(), "loss": said.loss.detach().reshape(1)}
        tensors |= {f"head.{name}": value.detach().clone() for name, value in model.named_parameters() if name.startswith(("classifier.", "head."))}
        tensors |= {f"grad.{name}": value.grad for name, value in parameters.items()}
        save_file({name: value.contiguous() for name, value in tensors.items()}, str(OUT / f"{family}.safetensors"))
    adapter()


def adapter():
    """LoRA with a trained classifier, as PEFT saves it, and the logits of the batch."""
    torch.manual_seed(5)
    model = get_peft_model(loaded("bert"), LoraConfig(task_type="TOKEN_CLS", r=2, lora_alpha=4, target_modules=["query", "value"]))
    generator = torch.Generator().manual_seed(8)
    for name, value in model.named_parameters():
        if "lora_" in name or "modules_to_save" in name:
            value.data = 0.2 * torch.randn(value.shape, generator=generator)
    folder = OUT / "adapter"
    shutil.rmtree(folder, ignore_errors=True)
    model.peft_config["default"].base_model_name_or_path = "bert"
    model.eval().save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    ids, mask, _ = batch(torch.Generator().manual_seed(39))
    with torch.no_grad():
        save_file({"logits": model(input_ids=ids, attention_mask=mask).logits.contiguous()}, str(OUT / "adapter.safetensors"))


main()
