"""Folders of PEFT over the tiny golden models: what an adapter_config.json can say, with the logits; and ten steps of AdamW from some.

  peft/<case>/adapter_config.json, adapter_model.safetensors   as save_pretrained wrote them
  peft/<case>/io.safetensors                                   logits of the model's own inputs (models/<model>/io.safetensors)
  peft/cases.json                                              model, and for some the losses of ten steps
  peft/matching.json                                           which modules configurations mean, by PEFT's own functions

Run in this folder with torch, transformers and peft: python peft_folders.py
"""
import json
import re
import shutil
from pathlib import Path

import torch
from peft import AdaLoraConfig, LoraConfig, PeftModel, get_peft_model
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

GOLDEN = Path(__file__).parent.parent
OUT = GOLDEN / "peft"

# what is trained here of each is what is trained there: the whole head is saved
CASES = {
    "bert-regex": ("bert", LoraConfig(
        r=4, lora_alpha=6, task_type="SEQ_CLS", target_modules=r".*\.(?:query|value|intermediate\.dense)",
        rank_pattern={r"layer\.1\..*\.query": 2, "value": 3}, alpha_pattern={r"^bert\.encoder\.layer\.0\..*": 5},
        modules_to_save=["pooler", "classifier"])),
    "bert-layers": ("bert", LoraConfig(
        r=4, lora_alpha=8, use_dora=True, task_type="SEQ_CLS", target_modules=["query", "key", "output.dense"],
        layers_to_transform=[1], layers_pattern="layer", modules_to_save=["pooler", "classifier"])),
    # the pooler's dense layer is one of them
    "bert-dense": ("bert", LoraConfig(r=2, lora_alpha=4, task_type="SEQ_CLS", target_modules=["dense", "query"])),
    "bert-adalora": ("bert", AdaLoraConfig(
        init_r=4, target_r=2, lora_alpha=8, total_step=10, task_type="SEQ_CLS", target_modules=["query", "value"],
        modules_to_save=["pooler", "classifier"])),
    "roberta-all-linear": ("roberta", LoraConfig(
        r=3, lora_alpha=5, use_rslora=True, task_type="SEQ_CLS", target_modules="all-linear",
        modules_to_save=["classifier"])),
    "distilbert-exclude": ("distilbert", LoraConfig(
        r=4, lora_alpha=8, task_type="SEQ_CLS", target_modules=["q_lin", "v_lin", "lin1", "lin2"],
        exclude_modules=r".*layer\.0\..*lin1", alpha_pattern={"lin2": 3}, modules_to_save=["pre_classifier", "classifier"])),
    "llama-dora": ("llama", LoraConfig(
        r=4, lora_alpha=8, use_dora=True, use_rslora=True, task_type="CAUSAL_LM",
        target_modules=["q_proj", "v_proj", "down_proj"], rank_pattern={r"layers\.0\..*": 2})),
    "llama-head": ("llama", LoraConfig(
        r=4, lora_alpha=8, task_type="CAUSAL_LM", target_modules=["q_proj", "o_proj"],
        modules_to_save=["lm_head", "embed_tokens"])),
    "gpt2-conv": ("gpt2", LoraConfig(
        r=4, lora_alpha=8, use_dora=True, task_type="CAUSAL_LM", fan_in_fan_out=True,
        target_modules=["c_attn", "mlp.c_proj"])),
}
TRAINED = ["bert-regex", "bert-layers", "llama-dora", "llama-head", "gpt2-conv"]
STEPS = 10
RATE = 5e-3


def opened(name):
    kind = AutoModelForSequenceClassification if name in ("bert", "roberta", "distilbert") else AutoModelForCausalLM
    return kind.from_pretrained(GOLDEN / "models" / name, dtype=torch.float32, attn_implementation="eager").eval()


def inputs_of(name):
    io = load_file(GOLDEN / "models" / name / "io.safetensors")
    keys = [key for key in ("input_ids", "attention_mask", "token_type_ids", "labels") if key in io]
    return {key: io[key].long() for key in keys}


def steps_of(model, inputs):
    """Losses of AdamW over two rows at a time, without dropout."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    rows = len(inputs["input_ids"])
    losses = []
    for step in range(STEPS):
        some = [(step + i) % rows for i in range(2)]
        loss = model(**{key: value[some] for key, value in inputs.items()}).loss
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return losses


shutil.rmtree(OUT, ignore_errors=True)
facts = {}
for case, (name, config) in CASES.items():
    torch.manual_seed(len(case))
    model = get_peft_model(opened(name), config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            # B is 0, λ is 0, and a magnitude is the base's; a saved module is its copy
            if not parameter.requires_grad:
                continue
            if "magnitude" in key:
                parameter.mul_(1 + 0.2 * torch.rand_like(parameter))
            elif "modules_to_save" in key:
                parameter.add_(torch.randn_like(parameter) * 0.05)
            else:
                parameter.copy_(torch.randn_like(parameter) * 0.2)
    folder = OUT / case
    model.save_pretrained(folder)
    for extra in folder.glob("README.md"):
        extra.unlink()
    written = json.loads((folder / "adapter_config.json").read_text())
    written["base_model_name_or_path"] = name
    if isinstance(written["target_modules"], list):
        written["target_modules"].sort()  # the order of a set
    (folder / "adapter_config.json").write_text(json.dumps(written, indent=2) + "\n")
    # what is on the disk is what counts
    loaded = PeftModel.from_pretrained(opened(name), folder, is_trainable=True).eval()
    inputs = inputs_of(name)
    with torch.no_grad():
        logits = loaded(**inputs).logits
    save_file({"logits": logits.contiguous()}, folder / "io.safetensors")
    facts[case] = {"model": name, "losses": steps_of(loaded, inputs) if case in TRAINED else None}
(OUT / "cases.json").write_text(json.dumps({"rate": RATE, "cases": facts}, indent=2) + "\n")


# names as classes of transformers have them
MODULES = [
    *(f"bert.encoder.layer.{i}.{name}" for i in (0, 1, 10)
      for name in ("attention.self.query", "attention.self.value", "attention.output.dense", "output.dense")),
    "bert.pooler.dense", "classifier",
    *(f"model.layers.{i}.{name}" for i in (0, 3, 13) for name in ("self_attn.q_proj", "mlp.down_proj")),
    "lm_head", "transformer.h.2.attn.c_attn", "encoder.layer.4.attention.self.query", "model.layers.1.mlp.experts.3.up_proj",
]
MATCHING = [
    {"target_modules": ["query", "q_proj"]},
    {"target_modules": ["dense"]},
    {"target_modules": ["output.dense", "bert.pooler.dense"], "modules_to_save": ["classifier", "pooler"]},
    {"target_modules": r".*\.(?:query|q_proj)"},
    {"target_modules": r"bert\.encoder\.layer\.\d+\.attention\.(self|output)\..*"},
    {"target_modules": r"(?P<root>model|transformer)\.(layers|h)\.[0-3]\..+"},
    {"target_modules": r".*layer[.](?!10)\d+[.].*"},
    {"target_modules": r".*[^]a-m]\.{1,2}dense"},
    {"target_modules": r".*layers.{,3}mlp\.down_proj"},
    {"target_modules": r"\A.*\.1[0-9]\..*\Z"},
    {"target_modules": "query"},
    {"target_modules": ["query", "value"], "exclude_modules": ["layer.0.attention.self.query"]},
    {"target_modules": ["query", "value"], "exclude_modules": r".*\.1\d?\..*"},
    {"target_modules": ["query", "q_proj", "up_proj"], "layers_to_transform": 1},
    {"target_modules": ["query", "q_proj", "up_proj"], "layers_to_transform": [0, 3]},
    {"target_modules": ["query", "q_proj", "up_proj"], "layers_to_transform": [3], "layers_pattern": ["layers", "experts"]},
    {"target_modules": ["query", "q_proj"], "layers_to_transform": [10, 13], "layers_pattern": "layer"},
    {"target_modules": ["query", "q_proj"], "layers_to_transform": [1], "layers_pattern": ["lay.rs?"]},
]
PATTERNS = [
    {"query": 1, r"layer\.1\..*": 2, "dense": 3},
    {r".*\.1\d\..*": 4, "self.query": 5, r"^bert\..*": 6},
    {"model.layers.0.self_attn.q_proj": 7, r"layers\.\d+\.mlp\..*": 8, "y": 9},
    {"bert.encoder.layer.1.output.dense": 1, "layer.1.output.dense": 2, "layer.10.output.dense": 3},
]


class Config:
    def __init__(self, given):
        for name in ("target_modules", "exclude_modules", "modules_to_save", "layers_to_transform", "layers_pattern", "target_parameters"):
            setattr(self, name, given.get(name))


matching = [
    {"config": given, "targets": [key for key in MODULES if check_target_module_exists(Config(given), key) in (True,)
                                 or isinstance(check_target_module_exists(Config(given), key), re.Match)]}
    for given in MATCHING
]
patterns = [
    {"patterns": given, "values": [given.get(get_pattern_key(given.keys(), key)) for key in MODULES]} for given in PATTERNS
]
(OUT / "matching.json").write_text(json.dumps({"modules": MODULES, "matching": matching, "patterns": patterns}, indent=1) + "\n")
