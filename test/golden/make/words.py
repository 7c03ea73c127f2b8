"""Token ids, types and words of texts that are split into words, in overlapping windows, as transformers' fast tokenizers make them (the Rust
library).

Run in this folder with transformers and tokenizers (made with 4.57.3, 0.22.2): python words.py
"""
import json
import random
from pathlib import Path

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

FOLDER = Path(__file__).parent.parent / "tokenizers"
WORDS = ["Anna", "lives", "in", "New", "York", ",", "U.S.", "naïve", "café", "don't", "Straße", "北京", "東京都", "e\u0301", "\ufe0f", "", " ", "a b", "👩‍👩‍👧", "[MASK]", "</s>", "ﬁne", "İstanbul",
         "unbelievably", "1,234.5", "-", "…", "\u200b", "Привет", "שלום", "नमस्ते", "x" * 120]


def cases():
    """name, base in ../tokenizers, changes of its tokenizer.json"""
    ends = {"type": "RobertaProcessing", "sep": ["</s>", 1], "cls": ["<pad>", 0], "trim_offsets": True, "add_prefix_space": False}
    yield "wordpiece", "minilm", {}
    yield "bytes", "unicode/bytes", {"post_processor": ends}
    yield "unigram", "unicode/pieces", {"post_processor": None}
    yield "unigram, prefix first", "unicode/pieces", {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}, "post_processor": None}
    yield "t5", "t5", {}


def main():
    chance = random.Random(39)
    rows = [[], [""], ["\ufe0f", "Anna"], WORDS] + [[chance.choice(WORDS[:-1]) for _ in range(chance.randint(4, 16))] for _ in range(14)]
    golden = []
    for name, base, change in cases():
        path = FOLDER / base / "tokenizer.json" if (FOLDER / base).is_dir() else FOLDER / f"{base}.json"
        own = {**json.loads(path.read_text()), **change, "truncation": None, "padding": None}
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(own)), add_prefix_space=True)
        encodings = []
        for index, row in enumerate(rows):
            for length, stride in [(512, 0), (16, 4)] if index % 2 else [(12, 0), (9, 5)]:
                made = tokenizer(row, is_split_into_words=True, truncation=True, max_length=length, stride=stride, return_overflowing_tokens=True, return_token_type_ids=True)
                windows = [{"ids": made["input_ids"][i], "types": made["token_type_ids"][i], "words": [-1 if w is None else w for w in made.word_ids(i)]} for i in range(len(made["input_ids"]))]
                encodings.append([index, length, stride, [[window["ids"], window["types"], window["words"]] for window in windows]])
        golden.append({"name": name, "base": base, "change": change, "encodings": encodings})
    (FOLDER / "words.json").write_text(json.dumps({"rows": rows, "cases": golden}, ensure_ascii=True, separators=(",", ":")) + "\n")


main()
