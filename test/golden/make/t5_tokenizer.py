"""A small T5 tokenizer: a SentencePiece unigram vocabulary of 400 pieces with T5's own normalization, as transformers writes it, and its ids.

    python t5_tokenizer.py SPIECE_FOLDER TEXT_FILE ../tokenizers/t5

torch 2.13.0, transformers 5.24.0, tokenizers 0.23.3, sentencepiece 0.2.3; TEXT_FILE: any text, here examples/preferences/train.jsonl.

  tokenizer.json, tokenizer_config.json    by `T5Tokenizer.from_pretrained(...).save_pretrained(...)`
  goldens.json                             `texts[]`: text, ids with and without special tokens, and the text of the ids; `spellings[]`: parts of
                                           tokenizer.json as other files have them, each with the ids of the same texts; "AAAA" is the table of
                                           tokenizer.json (300 kB in base64)
"""
import json
import os
import sys
import tempfile

sys.path.insert(0, os.environ.get("SENTENCEPIECE", ""))
import sentencepiece
from tokenizers import Tokenizer
from transformers import T5Tokenizer

TEXTS = [
    "", " ", "a", "Hello, world!", "translate English to German: The house is wonderful.",
    "  leading and trailing  ", "two  spaces", "many          spaces", "tabs\tand\nnewlines\r\nand both", "a\u00a0no-break space and a\u3000wide one",
    "caf\u00e9 na\u00efve \u00c5ngstr\u00f6m", "cafe\u0301 decomposed A\u030angstro\u0308m", "\u7ffb\u8bd1\uff1a\u4eca\u5929\u5929\u6c14\u5f88\u597d\u3002", "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8",
    "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab jamo", "\ufb01ne \ufb02ow \u2460 \u00bd \u2122 \u338f", "\uff21\uff22\uff23\uff11\uff12\uff13 \uff76\uff9e", "\u2581 lower block \u2581in\u2581words", "emoji \U0001f600 \U0001f469\u200d\U0001f680 end",
    "zero\u200bwidth \ufeffmark soft\u00adhyphen", "<pad> inside </s> text <extra_id_0> and <extra_id_42>.", "sst2 sentence: it 's a charming and often affecting journey .",
    "mnli premise: A man. hypothesis: A person.", "unknown \u16a0\u16a2\u16a6 runes", "1234567890 3.14159 -42 10%", "don't can't \u2018quotes\u2019 \u201cdouble\u201d\u2026 \u2014 dash", "x" * 60,
    "\u0001control\u0008 characters\u007f", "wave \uff5e dash ~ tilde", "MiXeD CaSe AND ALL CAPS", "\u0e44\u0e17\u0e22 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0645\u0631\u062d\u0628\u0627 \ufefb", "\u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u094d\u0937",
]
EXTRA = "caf\u00e9 na\u00efve \u4eca\u5929\u5929\u6c14\u5f88\u597d \u65e5\u672c\u8a9e\u306e \ud55c\uad6d\uc5b4 \u00c5ngstr\u00f6m 0 1 2 3 4 5 6 7 8 9 % \u2019 \u201c \u201d \u2026 \u2014 ~"


def main(folder, text_file, out):
    with tempfile.TemporaryDirectory() as scratch:
        corpus = os.path.join(scratch, "corpus.txt")
        with open(text_file, encoding="utf-8") as file, open(corpus, "w", encoding="utf-8") as to:
            to.write(file.read().replace("\\n", "\n") + "\n" + (EXTRA + "\n") * 4)
        sentencepiece.SentencePieceTrainer.train(
            input=corpus, model_prefix=os.path.join(folder, "spiece"), vocab_size=400, model_type="unigram", character_coverage=1.0,
            pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>", num_threads=1, minloglevel=2,
        )
    tokenizer = T5Tokenizer.from_pretrained(folder, extra_ids=50)
    tokenizer.save_pretrained(folder)
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as file:
        whole = json.load(file)
    precompiled = whole["normalizer"]

    def ids_of(parts):
        own = Tokenizer.from_str(json.dumps({**whole, **parts}))
        return own, [own.encode(text).ids for text in TEXTS]

    own, ids = ids_of({})
    assert ids == [tokenizer(text)["input_ids"] for text in TEXTS]
    def metaspace(**scheme):
        return {"type": "Metaspace", "replacement": "\u2581", **scheme}

    spellings = {
        # files of 2020 and after, t5-small's own
        "old": {
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace(add_prefix_space=True)]},
            "decoder": metaspace(add_prefix_space=True),
        },
        # what transformers converts a spiece.model to for other classes
        "converted": {
            "normalizer": {
                "type": "Sequence",
                "normalizers": [
                    precompiled,
                    {"type": "Strip", "strip_left": False, "strip_right": True},
                    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"},
                ],
            },
            "pre_tokenizer": metaspace(prepend_scheme="always", split=True),
            "decoder": metaspace(prepend_scheme="always", split=True),
        },
    }
    short = {**precompiled, "precompiled_charsmap": "AAAA"}
    def shortened(part):
        if isinstance(part, dict):
            return short if part.get("type") == "Precompiled" else {key: shortened(value) for key, value in part.items()}
        return [shortened(value) for value in part] if isinstance(part, list) else part

    goldens = {
        "texts": [
            {
                "text": text, "ids": given, "ids_without_special_tokens": own.encode(text, add_special_tokens=False).ids,
                "decoded": own.decode(given, skip_special_tokens=True),
            }
            for text, given in zip(TEXTS, ids)
        ],
        "spellings": [{"name": name, "parts": shortened(parts), "ids": ids_of(parts)[1]} for name, parts in spellings.items()],
    }
    with open(os.path.join(out, "goldens.json"), "w") as file:
        json.dump(goldens, file)
    with open(os.path.join(out, "tokenizer.json"), "w") as file:
        json.dump(whole, file)
    with open(os.path.join(folder, "tokenizer_config.json"), encoding="utf-8") as file:
        config = json.load(file)
    with open(os.path.join(out, "tokenizer_config.json"), "w") as file:
        json.dump(config, file)


main(*sys.argv[1:])
