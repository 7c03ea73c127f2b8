#!/usr/bin/env python3
"""Cut the rows of the examples for numbers, several labels and pairs of texts out of published packages.

    pip download --no-deps --no-binary :all: vaderSentiment==3.3.2     # MIT
    npm pack caniuse-db@1.0.30001813                                   # CC-BY-4.0
    python text_kinds.py --vader vaderSentiment-3.3.2.tar.gz --caniuse caniuse-db-1.0.30001813.tgz --out ../data

ratings/       sentences of film reviews with the mean of 20 people's ratings between -4 and +4, as VADER published them
comparisons/   pairs of such sentences of at most 12 words whose ratings differ by 2.5 or more: which of the two is rated higher
web-features/  descriptions of features of browsers with the categories that caniuse.com gives them, one or several of those that 20 features have

Sentences of examples/data/movies/test.jsonl are in none of them. The result depends on --seed only.
"""
import argparse, collections, json, random, re, tarfile
from pathlib import Path

from make_data import rare_words, ratings

HERE = Path(__file__).parent


def write(folder, **splits):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf8")


def sentences(source, chance):
    used = {json.loads(line)["text"].lower() for line in (HERE / "../data/movies/test.jsonl").read_text(encoding="utf8").splitlines()}
    seen, all_rows = set(used), []
    for text, score in ratings(source):
        if not 4 <= len(text.split()) <= 20 or text.lower() in seen:
            continue
        seen.add(text.lower())
        all_rows.append((text, round(score, 2)))
    # few words that no other sentence has: the vocabulary of the model that travels along is that of such sentences
    kept = [row for row, rare in zip(all_rows, rare_words([text for text, _ in all_rows])) if rare <= 1]
    chance.shuffle(kept)
    return kept


def features(package):
    with tarfile.open(package) as archive:
        for member in sorted(archive.getmembers(), key=lambda one: one.name):
            if re.search(r"/features-json/[^/]+\.json$", member.name):
                feature = json.loads(archive.extractfile(member).read())
                yield {"text": " ".join(f'{feature["title"]}: {feature["description"]}'.split())[:300], "categories": feature["categories"]}


def frequent(rows, least=20):
    """Categories that as many rows have, and the rows that have one of them."""
    count = collections.Counter(name for row in rows for name in row["categories"])
    kept = ({**row, "categories": [name for name in row["categories"] if count[name] >= least]} for row in rows)
    return [row for row in kept if row["categories"]]


def pairs(sentences, count, chance, least=2.5):
    """Two sentences of different ratings, and which is rated higher; as often the first as the second, no two twice."""
    found = {}
    while len(found) < count:
        (first, a), (second, b) = chance.sample(sentences, 2)
        if (a - b if len(found) % 2 else b - a) >= least:
            found[first, second] = {"first": first, "second": second, "better": "first" if a > b else "second"}
    return list(found.values())


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--vader", required=True)
    ap.add_argument("--caniuse", required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seed", type=int, default=0)
    given = ap.parse_args()
    chance = random.Random(given.seed)
    kept = sentences(given.vader, chance)
    rated, rest = [{"text": text, "rating": score} for text, score in kept[:1000]], kept[1000:]
    write(given.out / "ratings", train=rated[:700], validation=rated[700:800], test=rated[800:])
    short = [row for row in rest if len(row[0].split()) <= 12]
    most, some = round(0.6 * len(short)), round(0.76 * len(short))
    parts = {"train": (short[:most], 720), "validation": (short[most:some], 100), "test": (short[some:], 150)}
    write(given.out / "comparisons", **{name: pairs(sentences, count, chance) for name, (sentences, count) in parts.items()})
    described = frequent(list(features(given.caniuse)))
    chance.shuffle(described)
    write(given.out / "web-features", train=described[:360], validation=described[360:440], test=described[440:])


main()
