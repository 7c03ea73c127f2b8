"""Token ids and types that transformers' AutoTokenizer reads from exported folders: ../tokenizers/exported.json.

Run with transformers (made with 5.24.0): bun exported_tokenizers.ts FOLDER && python exported_tokenizers.py FOLDER
"""
import json
import sys
from pathlib import Path

from transformers import AutoTokenizer, logging

logging.set_verbosity_error()
FOLDER = Path(sys.argv[1])
TARGET = Path(__file__).parent.parent / "tokenizers" / "exported.json"


def encoded(tokenizer, *texts):
    read = tokenizer(*texts)
    types = {"types": read["token_type_ids"]} if "token_type_ids" in read else {}
    return {"ids": read["input_ids"], **types}


def main():
    asked = json.loads((FOLDER / "texts.json").read_text())
    cases = {}
    for name in asked["cases"]:
        place = FOLDER / "out" / name
        tokenizer = AutoTokenizer.from_pretrained(place)
        config = place / "tokenizer_config.json"
        isEncoder = name.startswith(("bert", "distilbert", "roberta"))
        cases[name] = {
            "class": type(tokenizer).__name__,
            "config": json.loads(config.read_text()) if config.exists() else None,
            "texts": [encoded(tokenizer, text) for text in asked["texts"]],
            "pairs": [encoded(tokenizer, *pair) for pair in asked["pairs"]] if isEncoder else [],
        }
    lines = [f"{json.dumps(name)}: {json.dumps(case, ensure_ascii=False, separators=(',', ':'))}" for name, case in cases.items()]
    head = json.dumps({"texts": asked["texts"], "pairs": asked["pairs"]}, ensure_ascii=False)
    TARGET.write_text(f'{head[:-1]}, "cases": {{\n' + ",\n".join(lines) + "\n}}\n")
    print(len(cases), TARGET.stat().st_size)


main()
