"""Verdicts of lm-evaluation-harness on random answers to GSM8K's rows.

Run in this folder with lm_eval (made with 0.4.13): python gsm8k.py > ../scoring/gsm8k.json

An answer is made of words, numbers in all their spellings and marks. Each row has the text, the expected answer, and the verdicts of the filters
flexible-extract and strict-match. The filters and the metric's options are those of the harness's task gsm8k.
"""
import json
import random

from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters.extraction import RegexFilter

COUNT = 500
FLEXIBLE = RegexFilter(group_select=-1, regex_pattern=r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
STRICT = RegexFilter(regex_pattern=r"#### (\-?[0-9\.\,]+)")
IGNORED = [",", r"\$", r"(?s).*#### ", r"\.$"]
chance = random.Random(38)


def number(value):
    """A value as an answer may spell it."""
    spelled = chance.choice(
        [f"{value}", f"{value:,}", f"${value}", f"${value:,}", f"{value}.", f"{value}.00", f"-{value}", f"{value}%", f"{value}.\n", f"**{value}**"]
    )
    return chance.choice(["", "", "#### ", "####", "= ", "#### #### "]) + spelled


def answer(right):
    """Words and numbers, the right one among them most of the time."""
    parts = []
    for _ in range(chance.randint(0, 6)):
        word = chance.choice(["so", "she has", "…", "٣٤", "a.b", ",", "$", ".", "-", "1/2", "3x", "\n", "The answer is"])
        parts.append(number(chance.choice([right, right, 7, 1200, 0])) if chance.random() < 0.5 else word)
    return chance.choice([" ", "\n", ""]).join(parts)


rows = []
for _ in range(COUNT):
    right = chance.choice([7, 18, 70000, 1200, 0, 540])
    expected = f"First.\n{right} apples\n#### " + chance.choice([f"{right}", f"{right:,}"])
    text = answer(right)
    verdicts = []
    for rule in (FLEXIBLE, STRICT):
        [[taken]] = rule.apply([[text]], [{}])
        score = exact_match_hf_evaluate([taken], [expected], IGNORED, ignore_case=True)["exact_match"]
        verdicts.append(int(score))
    rows.append([text, expected, *verdicts])
print(json.dumps(rows, ensure_ascii=False, separators=(",", ":")))
