"""Small SentencePiece vocabularies, as llama.cpp's converter stores them, and the ids that SentencePiece gives texts.

    python test/golden/make/sentence_piece.py README.md        (sentencepiece 0.2.1)

Options are Llama 2's: BPE, byte fallback, digits apart, white space kept as it is; one vocabulary with the space prefix, one without.
"""
import io
import json
import random
import sys
from pathlib import Path

import sentencepiece as sp

lines = [line for line in Path(sys.argv[1]).read_text().split("\n") if line.strip()]
lines += ["\ufeffusing System;", "\ufeffusing System.Text;"] * 5

texts = [
    "Hello, world!", " leading space", "  two leading", "trailing ", "a  b   c", "", " ", "\n", "a\n\nb\tc", "12345 and 3.14",
    "\ufeffusing System", "né € 😀 日本語", "x\u2581y", "LoRA-Pro moves A and B", "aaaaaaaaaa", "----------", "the the the", "____",
    "Ünïcödé straße", "<s> is text here </s>", "a<|turn|>b", "<|turn|> start", "\u00a0nbsp", "tfjs-lora-pro train plan.json",
]
rng = random.Random(0)
letters = "etaoin shrdlu\n.,-_/*`0123"
texts += ["".join(rng.choice(letters) for _ in range(rng.randint(5, 60))) for _ in range(60)]
texts += [rng.choice(lines)[:200] for _ in range(60)]

out = {}
for name, prefix in (("prefix", True), ("plain", False)):
    model = io.BytesIO()
    sp.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, model_type="bpe", vocab_size=800, byte_fallback=True, split_digits=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=prefix, allow_whitespace_only_pieces=True,
        user_defined_symbols=["<|turn|>"], character_coverage=0.995, minloglevel=2,
    )
    p = sp.SentencePieceProcessor(model_proto=model.getvalue())
    ids = range(p.get_piece_size())
    kind = lambda i: 2 if p.is_unknown(i) else 3 if p.is_control(i) else 5 if p.is_unused(i) else 6 if p.is_byte(i) else 4 if i == p.piece_to_id("<|turn|>") else 1
    out[name] = {
        "tokens": [p.id_to_piece(i) for i in ids],
        "scores": [p.get_score(i) for i in ids],
        "types": [kind(i) for i in ids],
        "texts": [{"text": t, "ids": p.encode(t), "decoded": p.decode(p.encode(t))} for t in texts],
    }
Path(__file__).parents[1].joinpath("gguf/sentence-piece.json").write_text(json.dumps(out))
