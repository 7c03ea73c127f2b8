"""Scores of random labels from seqeval, default and strict.

Run in this folder with seqeval (made with 1.2.2): python entities.py [COUNT] > ../kinds/entities.json

COUNT is the number of sequences of each scheme, 1,000 for the tests. Labels are two letters each, rows are separated by blanks; scores are of
groups of ten rows.
"""
import json
import random
import sys
import warnings

from seqeval.metrics import accuracy_score, classification_report, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2, IOBES

warnings.filterwarnings("ignore")
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
PREFIXES = {"IO": "I", "BIO": "BI", "BIOES": "BIES"}
STRICT = {"BIO": IOB2, "BIOES": IOBES}
chance = random.Random(39)


def row(prefixes, length):
    """Half of the labels go on with the type before them, so that entities are long."""
    labels = []
    for _ in range(length):
        kind = labels[-1][1] if labels and labels[-1] != "O" and chance.random() < 0.5 else chance.choice("abc")
        labels.append("O" if chance.random() < 0.3 else chance.choice(prefixes) + kind)
    return labels


def changed(labels, prefixes):
    return [chance.choice(row(prefixes, 3)) if chance.random() < 0.15 else label for label in labels]


def full(rows):
    return [[label if label == "O" else f"{label[0]}-{label[1]}" for label in labels] for labels in rows]


def scores(right, predicted, **mode):
    report = classification_report(right, predicted, output_dict=True, **mode)
    types = {name: [values["precision"], values["recall"], values["f1-score"], int(values["support"])] for name, values in report.items() if len(name) == 1}
    return {"all": [score(right, predicted, **mode) for score in (precision_score, recall_score, f1_score)], "types": types}


def text(rows):
    return " ".join("".join(label.ljust(2, ".") for label in labels) for labels in rows)


cases = []
for scheme, prefixes in PREFIXES.items():
    for _ in range(COUNT // 10):
        right = [row(prefixes, chance.randint(1, 12)) for _ in range(10)]
        predicted = [changed(labels, prefixes) for labels in right]
        case = {"scheme": scheme, "right": text(right), "predicted": text(predicted), "default": scores(full(right), full(predicted))}
        if scheme in STRICT:
            case["strict"] = scores(full(right), full(predicted), mode="strict", scheme=STRICT[scheme])
        case["accuracy"] = float(accuracy_score(full(right), full(predicted)))
        cases.append(case)
print(json.dumps(cases, separators=(",", ":"), default=float))
