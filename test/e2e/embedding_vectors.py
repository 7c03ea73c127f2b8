"""Vectors of texts as sentence-transformers makes them of a merged folder, and PEFT of an adapter over its base.

Reads a JSON list of cases {folder, base, adapter, pooling, normalize, maxLength, texts} from stdin and prints a JSON list of
{merged, adapted}, each [texts, hidden]. Needs torch, transformers, peft and sentence-transformers. Shares nothing with the package but the
files it reads.
"""

import json
import sys

import torch
from peft import PeftModel
from sentence_transformers import SentenceTransformer
from transformers import AutoModel, PreTrainedTokenizerFast


def merged(folder, texts):
    model = SentenceTransformer(folder, device="cpu")
    return model.encode(texts, convert_to_numpy=True).tolist()


def adapted(base, adapter, texts, pooling, normalize, length):
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=f"{base}/tokenizer.json", pad_token="[PAD]")
    model = PeftModel.from_pretrained(AutoModel.from_pretrained(base), adapter).eval()
    batch = tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    vectors = (hidden * mask).sum(1) / mask.sum(1) if pooling == "mean" else hidden[:, 0]
    return (torch.nn.functional.normalize(vectors) if normalize else vectors).tolist()


def main():
    made = []
    for case in json.load(sys.stdin):
        texts = case["texts"]
        made.append({
            "merged": merged(case["folder"], texts),
            "adapted": adapted(case["base"], case["adapter"], texts, case["pooling"], case["normalize"], case["maxLength"]),
        })
    print(json.dumps(made))


main()
