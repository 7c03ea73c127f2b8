#!/usr/bin/env python3
"""Cut pairs of a definition and the word that it defines out of WordNet 3.0.

    apt-get download wordnet-base && dpkg-deb -x wordnet-base_*.deb wordnet       # 1:3.0-39, WordNet's licence
    python make_definitions.py --source wordnet/usr/share/wordnet --out ../data/definitions

A word is a noun of one word, and its definition the gloss of its most frequent sense, without examples, where that sense was met in
WordNet's tagged texts at least once, has 4 to 20 words, and says neither the word nor a word that begins like it. Of definitions that
are alike and of synonyms, one is taken. Which rows go into which split depends on --seed only.
"""
import argparse, json, os, random, re


def tagged(source):
    """senses that were met in tagged texts: sense key -> how often"""
    counts = {}
    for line in open(os.path.join(source, "cntlist.rev"), encoding="utf8"):
        key, _, count = line.split()
        counts[key] = int(count)
    return counts


def rows(source, words=(4, 20)):
    counts = tagged(source)
    synsets = {}
    for line in open(os.path.join(source, "data.noun"), encoding="utf8"):
        if line.startswith("  "):
            continue
        fields, gloss = line.rstrip("\n").split(" | ", 1)
        part = fields.split(" ")
        lemmas = [(part[4 + 2 * i], part[5 + 2 * i]) for i in range(int(part[3], 16))]
        synsets[part[0]] = (int(part[1]), lemmas, gloss)
    for line in open(os.path.join(source, "index.noun"), encoding="utf8"):
        if line.startswith("  "):
            continue
        part = line.split()
        lemma, offset = part[0], part[6 + int(part[3])]
        if not re.fullmatch(r"[a-z]{3,}", lemma):
            continue
        file, lemmas, gloss = synsets[offset]
        own = next((name, number) for name, number in lemmas if name.lower() == lemma)
        if own[0] != lemma or counts.get(f"{lemma}%1:{file:02d}:{int(own[1], 16):02d}::", 0) == 0:
            continue
        definition = re.split(r'; *"', gloss)[0].strip(" ;")
        definition = re.sub(r"^\([^)]*\) *", "", definition)
        said = re.findall(r"[a-z]+", definition.lower())
        if not words[0] <= len(said) <= words[1] or '"' in definition:
            continue
        if any(word.startswith(lemma[:4]) for word in said):
            continue
        yield offset, lemma, definition


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--source", required=True)
    ap.add_argument("--out", required=True)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--train", type=int, default=1000)
    ap.add_argument("--validation", type=int, default=200)
    ap.add_argument("--test", type=int, default=400)
    args = ap.parse_args()
    seen, found = set(), []
    for offset, word, definition in rows(args.source):
        if offset in seen or definition.lower() in seen:
            continue
        seen |= {offset, definition.lower()}
        found.append((word, definition))
    random.Random(args.seed).shuffle(found)
    start = 0
    for name in ("train", "validation", "test"):
        count = getattr(args, name)
        with open(os.path.join(args.out, f"{name}.jsonl"), "w", encoding="utf8") as out:
            for word, definition in found[start : start + count]:
                out.write(json.dumps({"definition": definition, "word": word}, ensure_ascii=False) + "\n")
        start += count
    print(f"{len(found)} pairs, {start} taken")


main()
