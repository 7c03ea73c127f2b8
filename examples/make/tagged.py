#!/usr/bin/env python3
"""Label names, sums of money, durations and dates in sentences of GSM8K's questions.

    python tagged.py --source gsm8k --out ../data/tagged      # a folder with train.jsonl and test.jsonl as published (MIT)

Words are runs of letters and digits, and every other character by itself; "'s" is a word. What the rules call an entity:

    person     a capitalised word that stands at least four times inside the sentences of the training file, seldom in lower case,
               and is not in OTHERS; words next to each other are one person
    money      $ and a number, or a number and dollars or cents
    duration   a number or a numeral and a unit of time, unless "old" follows
    date       a weekday, a month, and a number after a month

Test rows were read one by one; MISSED and NONE are what the rules had wrong there. Training and validation rows are as the rules leave
them.
The result depends on --seed only.
"""
import argparse, collections, json, os, random, re

# capitalised words that are no persons
OTHERS = set("""TV CDs CD Christmas Halloween Easter Fahrenheit MB GB York Canada American English Snickers Amazon Walmart Facebook Oreos
America Texas Chicago Netflix DVD DVDs TVs Los Angeles Mars Mbps Londolozi Uber Samsung Chinese SUV Hawaii YouTube Youtube France Wars Miami
Seattle London Nile Pokemon Orleans Adidas Instagram United Nintendo Tylenol Scrabble Grenada Algebra RAM Mount PlayStation Russia Europe
Italy Spain Germany Russian Veteran Jolly Pastor Mr Mrs Ms Dr San Francisco Dallas Washington Kaydence Ferris Paris Daytona
Nada""".split())
WEEKDAYS = {day + end for day in "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split() for end in ("", "s")}
MONTHS = set("January February March April May June July August September October November December".split())
NUMERALS = set("""one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty half
several""".split())
UNITS = {unit + end for unit in "second minute hour day week month year".split() for end in ("", "s")}
WORD = re.compile(r"'s\b|\d+(?:[.,]\d+)*|[^\W\d_]+(?:-[^\W\d_]+)*|\S")
# what the rules had wrong in the test rows: names that they missed, and what is no entity there
MISSED = set("""Eva Dasha Ray Silvia Lani Raymond Donovan Sidney Robles Shaelyn Carol Shelley Stephen Cera Stanley Marisa Walter Elliott Lily Dijana Antonella
Jessa Carrey Brown Marcellus Julius""".split())
NONE = {("San", "Diego"), ("One", "day")}


def sentences(path):
    for line in open(path, encoding="utf8"):
        for sentence in re.split(r"(?<=[.?!])\s+(?=[A-Z])", json.loads(line)["question"].replace("’", "'")):
            if not re.search(r"\b(Mr|Mrs|Ms|Dr)\.$", sentence):
                yield WORD.findall(sentence)


def names_in(path):
    inside, lower = collections.Counter(), collections.Counter()
    for words in sentences(path):
        inside.update(word for word in words[1:] if word[:1].isupper() and len(word) > 1)
        lower.update(word.lower() for word in words if word[:1].islower())
    often = {name for name, count in inside.items() if count >= 4 and lower[name.lower()] <= count / 10 and not name.isupper()}
    return often - OTHERS - WEEKDAYS - MONTHS


def number(word):
    return word[0].isdigit() or word.lower() in NUMERALS


def entities(words, names):
    """(type, first, last) of every entity."""
    found, at = [], 0
    while at < len(words):
        end, kind = at, None
        rest = words[at + 1 :] + ["", "", ""]
        if words[at] in names or (words[at] in ("April", "June", "August") and rest[0] == "'s"):
            kind = "person"
            while end + 1 < len(words) and words[end + 1] in names:
                end += 1
        elif words[at] in WEEKDAYS or (words[at] in MONTHS and (at > 0 or words[at] not in ("May", "March"))):
            kind = "date"
            if words[at] in MONTHS and rest[0].isdigit():
                end += 1
        elif words[at] == "$" and rest[0][:1].isdigit():
            kind, end = "money", at + 1
        elif number(words[at]):
            if rest[0] in ("dollars", "dollar", "cents", "cent"):
                kind, end = "money", at + 1
            elif rest[0] in UNITS and rest[1] != "old" and rest[1] != "-":
                kind, end = "duration", at + 1
            elif words[at].lower() == "half" and rest[0] in ("a", "an") and rest[1] in UNITS:
                kind, end = "duration", at + 2
        if kind is not None:
            found.append((kind, at, end))
        at = end + 1
    return found


def checked(words, names):
    """The entities of a test row."""
    found = entities(words, names | MISSED)
    return [
        (kind, first, last)
        for kind, first, last in found
        if (words[first], words[last]) not in NONE and (words[first - 1], words[last]) not in NONE
    ]


def row(words, found):
    labels = ["O"] * len(words)
    for kind, first, last in found:
        labels[first : last + 1] = [f"B-{kind}"] + [f"I-{kind}"] * (last - first)
    return {"tokens": words, "labels": labels}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--source", required=True)
    options.add_argument("--out", required=True)
    options.add_argument("--seed", type=int, default=39)
    options.add_argument("--show", action="store_true", help="print the test rows with their entities in brackets")
    given = options.parse_args()
    names = names_in(os.path.join(given.source, "train.jsonl"))
    chance = random.Random(given.seed)
    seen = set()

    def some(file, count):
        all_of = [words for words in sentences(os.path.join(given.source, file)) if 5 <= len(words) <= 24]
        chance.shuffle(all_of)
        rows = []
        for words in all_of:
            text = " ".join(words)
            if text in seen or (not entities(words, names) and chance.random() < 0.8):
                continue
            seen.add(text)
            rows.append((text, words, entities(words, names)))
            if len(rows) == count:
                return rows

    ruled = some("test.jsonl", 200)
    test = [(text, words, checked(words, names)) for text, words, _ in ruled]
    right = sum(len(set(found) & set(checked)) for (_, _, found), (_, _, checked) in zip(ruled, test))
    count = lambda rows: sum(len(found) for _, _, found in rows)
    print(f"the rules find {count(ruled)} entities in the test rows, {right} of them right, of {count(test)}")
    learned = some("train.jsonl", 900)
    if given.show:
        for i, (_, words, found) in enumerate(test):
            shown = list(words)
            for kind, first, last in found:
                shown[first] = f"[{kind[0]} {shown[first]}"
                shown[last] += "]"
            print(i, " ".join(shown))
    os.makedirs(given.out, exist_ok=True)
    for split, rows in {"train": learned[:800], "validation": learned[800:], "test": test}.items():
        with open(os.path.join(given.out, f"{split}.jsonl"), "w", encoding="utf8") as file:
            file.writelines(json.dumps(row(words, found), ensure_ascii=False, separators=(",", ":")) + "\n" for _, words, found in rows)


main()
