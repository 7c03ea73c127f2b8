#!/usr/bin/env python3
"""Cut pairs of nouns out of WordNet 3.0: is what the first sentence defines a kind of what the second names?

    apt-get download wordnet-base && dpkg-deb -x wordnet-base_*.deb wordnet       # 1:3.0-39, WordNet's licence
    python make_pairs.py --source wordnet/usr/share/wordnet --out ../pairs

The first is a noun with its definition, the second a noun with "it is a kind of" before it: in half of the rows the one right above the first in
WordNet ("yes"), in the others the one above another noun of the same split, where it is nowhere above the first ("no"). Senses are the most
frequent ones, and were met in WordNet's tagged texts. A noun comes first once, in one split. The result depends on --seed only.
"""
import argparse, json, random, re
from pathlib import Path


def tagged(source):
    """senses that were met in tagged texts: sense key -> how often"""
    lines = (source / "cntlist.rev").read_text(encoding="utf8").splitlines()
    return {key: int(count) for key, _, count in (line.split() for line in lines)}


def synsets(source):
    """offset -> (file, [(lemma, number)], offsets right above, definition)"""
    found = {}
    for line in (source / "data.noun").read_text(encoding="utf8").splitlines():
        if line.startswith("  "):
            continue
        fields, gloss = line.rstrip().split(" | ", 1)
        part = fields.split(" ")
        count = int(part[3], 16)
        lemmas = [(part[4 + 2 * i], part[5 + 2 * i]) for i in range(count)]
        pointers = part[5 + 2 * count :]
        above = [pointers[i + 1] for i in range(0, len(pointers), 4) if pointers[i] == "@"]
        definition = re.sub(r"^\([^)]*\) *", "", re.split(r'; *"', gloss)[0].strip(" ;"))
        found[part[0]] = (int(part[1]), lemmas, above, definition)
    return found


def nouns(source):
    """(noun, definition, offset of what is right above)"""
    counts, known = tagged(source), synsets(source)
    for line in (source / "index.noun").read_text(encoding="utf8").splitlines():
        if line.startswith("  "):
            continue
        part = line.split()
        noun, offset = part[0], part[6 + int(part[3])]
        file, lemmas, above, definition = known[offset]
        number = next(number for lemma, number in lemmas if lemma.lower() == noun)
        met = counts.get(f"{noun}%1:{file:02d}:{int(number, 16):02d}::", 0) > 0
        if met and above and re.fullmatch(r"[a-z]{3,}", noun) and 4 <= len(definition.split()) <= 14:
            yield noun, definition, above[0]


def ancestors(known, offset):
    for above in known[offset][2]:
        yield above
        yield from ancestors(known, above)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--source", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seed", type=int, default=0)
    given = ap.parse_args()
    chance, known = random.Random(given.seed), synsets(given.source)
    found = list(nouns(given.source))
    chance.shuffle(found)
    given.out.mkdir(parents=True, exist_ok=True)
    start = 0
    for name, count in {"train": 1200, "validation": 200, "test": 400}.items():
        own, rows = found[start : start + count], []
        start += count
        for i, (noun, definition, above) in enumerate(own):
            kinds, shown = {above, *ancestors(known, above)}, above
            while i % 2 == 1 and shown in kinds:
                shown = chance.choice(own)[2]
            kind = known[shown][1][0][0].replace("_", " ")
            rows.append({"first": f"{noun}: {definition}", "second": f"it is a kind of {kind}", "right": ["yes", "no"][i % 2]})
        chance.shuffle(rows)
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (given.out / f"{name}.jsonl").write_text(text, encoding="utf8")
    print(f"{len(found)} nouns, {start} taken")


main()
