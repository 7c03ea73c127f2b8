"""Logits of merged folders as transformers computes them, from the folder alone.

Reads a JSON list of cases {folder, texts, maxLength} from stdin and prints a JSON list of {classes, logits [texts, classes], labels}.
The class is the one that the folder's config names. Fails where a weight is missing, unexpected or misshapen, or is not float32:
transformers itself only warns, and leaves what it has no numbers for at random. (A bare encoder may lack the pooler that nothing reads.)

Needs torch, transformers, safetensors. Shares nothing with the package but the files it reads.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerFast

BATCH = 64


def load(folder):
    name = AutoConfig.from_pretrained(folder).architectures[0]
    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    unread = {"pooler.dense.weight", "pooler.dense.bias"} if name.endswith("Model") else set()
    wrong = {key: sorted(map(str, set(info[key]) - unread)) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(wrong.values()):
        raise SystemExit(f"{folder}: {name} was not loaded as a whole: {wrong}")
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        raise SystemExit(f"{folder}: {name} is not float32")
    return model.eval()


def tokenizer_of(folder):
    if (Path(folder) / "tokenizer_config.json").exists():
        return AutoTokenizer.from_pretrained(folder)
    return PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json", pad_token="[PAD]")


@torch.no_grad()
def logits(case):
    folder = case["folder"]
    model, tokenizer = load(folder), tokenizer_of(folder)
    head_file = Path(folder) / "head.safetensors"
    head, names = None, model.config.id2label
    if head_file.exists():
        with safe_open(head_file, "pt") as file:
            head = {name: file.get_tensor(name) for name in file.keys()}
            names = dict(enumerate(json.loads(file.metadata()["labels"])))
    rows = []
    for start in range(0, len(case["texts"]), BATCH):
        batch = tokenizer(
            case["texts"][start : start + BATCH],
            padding=True,
            truncation=True,
            max_length=case["maxLength"],
            return_tensors="pt",
            return_token_type_ids=False,
        )
        output = model(**batch)
        if head is None:
            rows += output.logits.tolist()
            continue
        mask = batch["attention_mask"].unsqueeze(-1).float()
        mean = (output.last_hidden_state * mask).sum(1) / mask.sum(1)
        rows += (mean @ head["weight"].T + head["bias"]).tolist()
    labels = [names[max(range(len(row)), key=row.__getitem__)] for row in rows]
    return {"classes": [names[i] for i in range(len(names))], "logits": rows, "labels": labels}


if __name__ == "__main__":
    print(json.dumps([logits(case) for case in json.load(sys.stdin)]))
