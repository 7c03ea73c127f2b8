"""LoHa on the tiny golden BERT: folders as PEFT writes them, with logits; of one the loss, every gradient, merged weights, ten steps of AdamW.

  peft/bert-loha          ranks and alphas by pattern, the whole head saved
  peft/bert-loha-dense    the pooler's dense layer is one of those that are adapted; r² is more than the layers' sides

Adds its cases to peft/cases.json. Run in this folder with torch, transformers and peft, after peft_folders.py: python loha.py
"""
import json
import shutil
from pathlib import Path

import torch
from peft import LoHaConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

GOLDEN = Path(__file__).parent.parent
OUT = GOLDEN / "peft"
CASES = {
    "bert-loha": LoHaConfig(
        r=3, alpha=5, task_type="SEQ_CLS", target_modules=r".*\.(?:query|value|intermediate\.dense)",
        rank_pattern={r"layer\.1\..*\.query": 2}, alpha_pattern={"value": 4}, rank_dropout=0.1,
        modules_to_save=["pooler", "classifier"]),
    "bert-loha-dense": LoHaConfig(r=6, alpha=12, task_type="SEQ_CLS", target_modules=["dense", "query"]),
}
STEPS = 10


def opened():
    source = GOLDEN / "models" / "bert"
    return AutoModelForSequenceClassification.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()


def steps_of(model, inputs, rate):
    """Losses of AdamW over two rows at a time, without dropout."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    losses = []
    for step in range(STEPS):
        some = [(step + i) % len(inputs["input_ids"]) for i in range(2)]
        loss = model(**{key: value[some] for key, value in inputs.items()}).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


io = load_file(GOLDEN / "models" / "bert" / "io.safetensors")
inputs = {key: io[key].long() for key in ("input_ids", "attention_mask", "token_type_ids", "labels")}
facts = json.loads((OUT / "cases.json").read_text())
for case, config in CASES.items():
    torch.manual_seed(len(case))
    folder = OUT / case
    shutil.rmtree(folder, ignore_errors=True)
    model = get_peft_model(opened(), config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "hada_" in key:
                parameter.normal_(0, 0.4)
            elif parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    model.save_pretrained(folder)
    for extra in folder.glob("README.md"):
        extra.unlink()
    written = json.loads((folder / "adapter_config.json").read_text())
    written["base_model_name_or_path"] = "bert"
    if isinstance(written["target_modules"], list):
        written["target_modules"].sort()  # the order of a set
    (folder / "adapter_config.json").write_text(json.dumps(written, indent=2) + "\n")
    # what is on the disk is what counts
    loaded = PeftModel.from_pretrained(opened(), folder, is_trainable=True).eval()
    output = loaded(**inputs)
    found = {"logits": output.logits.detach()}
    trained = case == "bert-loha"
    if trained:
        output.loss.backward()
        found["loss"] = output.loss.detach().reshape(1)
        for name, parameter in loaded.named_parameters():
            if "hada_" in name:
                found["grad." + name.replace(".default", "")] = parameter.grad
        for name, layer in loaded.named_modules():
            if name.endswith((".layer.1.attention.self.query", ".layer.0.intermediate.dense")):
                weight = layer.base_layer.weight + layer.get_delta_weight("default")
                found[f"merged.{name.removeprefix('base_model.model.')}.weight"] = weight.detach()
    save_file({key: value.contiguous() for key, value in found.items()}, folder / "io.safetensors")
    loaded.zero_grad()
    facts["cases"][case] = {"model": "bert", "losses": steps_of(loaded, inputs, facts["rate"]) if trained else None}
(OUT / "cases.json").write_text(json.dumps(facts, indent=2) + "\n")
