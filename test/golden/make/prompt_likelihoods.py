"""Log-probabilities of the tokens of prompts, each given the tokens before it, and the five likeliest at each position, by transformers in float64.

    python prompt_likelihoods.py ../models > ../prompt-likelihoods.json
    python prompt_likelihoods.py SmolLM2-135M-Instruct.Q4_1.gguf ../tokenizers/smollm2/tokenizer.json > ../real/smollm2/likelihoods.json

The first: tiny random decoders, prompts of 1, 12 and 200 tokens and more. The second: SmolLM2 on its Q4_1 weights dequantised to float32, a question
with four answers, each a prompt whose last tokens are the answer, and a long text. torch 2.13.0 (CPU), transformers 4.57.3, gguf 0.19.0. `after`: the
five likeliest tokens after the prompt.
"""
import json
import sys
from pathlib import Path

import torch

MODELS = ["llama", "gemma2", "gpt2", "qwen3"]
TOP = 5

QUESTION = "Question: What do plants use to make sugar?\nAnswer:"
ANSWERS = [" sunlight", " the sound of the sea", " iron and coal", " moonlight"]
LONG = " ".join(f"On day {i} the ship sailed {i * i} miles north, past the {i}th island." for i in range(1, 40))


@torch.no_grad()
def row(model, ids, decimals):
    logits = model(input_ids=torch.tensor([ids])).logits[0].double()
    logprobs = torch.log_softmax(logits, -1)
    values, indices = logprobs.topk(TOP)
    top = [
        [[int(i), round(float(v), decimals)] for i, v in zip(row_i, row_v)] for row_i, row_v in zip(indices, values)
    ]
    tokens = [round(float(logprobs[i - 1, id]), decimals) for i, id in enumerate(ids) if i > 0]
    return {"ids": ids, "logprobs": tokens, "top": top[:-1], "after": top[-1]}


def tiny(folder):
    from transformers import AutoConfig, AutoModelForCausalLM

    rows = []
    for name in MODELS:
        # as transformers 4 spells it
        older = Path(folder, name, "config_v4.json")
        config = AutoConfig.from_pretrained(older if older.exists() else f"{folder}/{name}")
        model = AutoModelForCausalLM.from_pretrained(
            f"{folder}/{name}", config=config, attn_implementation="eager", dtype=torch.float64
        ).eval()
        limit = min(300, model.config.max_position_embeddings - 2)
        for count in (1, 12, limit):
            ids = [3 + (i * 37 + i * i) % 90 for i in range(count)]
            rows.append({"model": name, **row(model, ids, 9)})
    return rows


def smollm2(path, tokenizer_path):
    from tokenizers import Tokenizer

    from smollm2_generate import load

    model, tokenizer = load(path).double(), Tokenizer.from_file(tokenizer_path)
    rows = []
    for text in [*(QUESTION + answer for answer in ANSWERS), LONG]:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        rows.append({"text": text, **row(model, ids, 7)})
    return rows


if __name__ == "__main__":
    made = tiny(sys.argv[1]) if len(sys.argv) == 2 else smollm2(*sys.argv[1:])
    json.dump({"rows": made}, sys.stdout)
    print()
