"""Logits of exported adapters as Hugging Face PEFT computes them.

Reads a JSON list of cases {base, adapter, dropout, labels, texts} from stdin and prints a JSON list of logits [texts, labels] (float64 digits
of float32 numbers). Fails where PEFT would go on training with another dropout, and where it adapts more or less than the adapter file holds: PEFT itself only warns, and leaves what it
has no numbers for at random.

Needs torch, transformers, peft, safetensors. Shares nothing with the package but the files it reads.
"""

import json
import sys
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedTokenizerFast


def load(base, adapter, dropout, labels, own_head):
    if own_head:
        model = AutoModel.from_pretrained(base)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(
            base, num_labels=len(labels), ignore_mismatched_sizes=True
        )
    model = PeftModel.from_pretrained(model, adapter).eval()
    config = model.peft_config["default"]
    names = {"VERA": "vera_dropout", "LOHA": "rank_dropout"}
    found = getattr(config, names.get(config.peft_type, "lora_dropout"))
    if found != dropout:
        raise SystemExit(f"{adapter}: dropout {found}, expected {dropout}")
    held = load_file(f"{adapter}/adapter_model.safetensors")
    used = get_peft_model_state_dict(model)
    if set(held) != set(used):
        raise SystemExit(f"{adapter}: only in the file {sorted(set(held) - set(used))}, only in PEFT {sorted(set(used) - set(held))}")
    for name, tensor in held.items():
        if not torch.equal(tensor, used[name]):
            raise SystemExit(f"{adapter}: PEFT did not load {name}")
    return model


@torch.no_grad()
def logits(case):
    base, adapter = case["base"], case["adapter"]
    head_file = Path(adapter) / "head.safetensors"
    own_head = head_file.exists()
    model = load(base, adapter, case["dropout"], case["labels"], own_head)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{base}/tokenizer.json", pad_token="[PAD]")
    batch = tokenizer(case["texts"], padding=True, return_tensors="pt", return_token_type_ids=False)
    output = model(**batch)
    if not own_head:
        return output.logits.tolist()
    head = load_file(head_file)
    mask = batch["attention_mask"].unsqueeze(-1).float()
    mean = (output.last_hidden_state * mask).sum(1) / mask.sum(1)
    return (mean @ head["weight"].T + head["bias"]).tolist()


if __name__ == "__main__":
    print(json.dumps([logits(case) for case in json.load(sys.stdin)]))
