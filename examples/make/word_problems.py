#!/usr/bin/env python3
"""Generate the rows of examples/word-problems with reasoning-gym.

    pip install reasoning-gym==0.1.25                                  # Apache-2.0
    python word_problems.py --out ../word-problems

Problems of the form of GSM8K, from twelve of the templates of its `gsm_symbolic`, with every number of problem and answer at most 100: short
problems and small numbers, so that a model of 135 million numbers can learn something. A fifth of the test is of four templates that training
never sees. No problem is in two files. The result depends on --seed only.
"""
import argparse, json, re
from pathlib import Path
from random import Random

import reasoning_gym

# by their numbers in reasoning_gym/arithmetic/gsm_symbolic
SEEN = [6, 10, 16, 20, 31, 39, 43, 48, 57, 62, 72, 78]
UNSEEN = [14, 34, 55, 69]
MOST = 100


def problem(generator, chance):
    """One whose numbers are whole and small."""
    while True:
        made = generator(Random(chance.getrandbits(32)), 1.0)
        question, answer = made["question"], made["metadata"]["answer_cot"]
        numbers = re.findall(r"\d+(?:\.\d+)?", question + answer)
        if made["answer"].isdigit() and all(number.isdigit() and int(number) <= MOST for number in numbers):
            return question.strip(), re.sub(r"[ \t]+", " ", answer.strip())


def rows(generators, templates, count, used, chance):
    made = []
    while len(made) < count:
        template = templates[len(made) % len(templates)]
        question, answer = problem(generators[template], chance)
        if question in used:
            continue
        used.add(question)
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        made.append({"template": template, "messages": messages})
    chance.shuffle(made)
    return made


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seed", type=int, default=0)
    given = ap.parse_args()
    chance, used = Random(given.seed), set()
    generators = reasoning_gym.create_dataset("gsm_symbolic", size=1, seed=0).generators
    test = rows(generators, SEEN, 80, used, chance) + rows(generators, UNSEEN, 20, used, chance)
    files = {"train": rows(generators, SEEN, 396, used, chance), "validation": rows(generators, SEEN, 48, used, chance), "test": test}
    given.out.mkdir(parents=True, exist_ok=True)
    for name, made in files.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made)
        (given.out / f"{name}.jsonl").write_text(text, encoding="utf8")


main()
