"""The classes of characters that the Rust library (Python's tokenizers) has, asked about every code point, as a file of TypeScript.

Run in this folder (made with tokenizers 0.23.3, Python 3.11: Unicode 14): python unicode_tables.py > ../../../src/patterns/unicode/tables.ts
"""
import base64
import json
import struct
import unicodedata
from textwrap import dedent

from tokenizers import Regex, __version__
from tokenizers import normalizers as N
from tokenizers import pre_tokenizers as P

assert unicodedata.unidata_version == "14.0.0"
ALL = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
WHOLE = "".join(map(chr, ALL))
CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co Cn Cs".split()
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#%&"


def digits(number):
    signs = ""
    while number:
        signs = "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36] + signs
        number //= 36
    return signs or "0"


def borders(members):
    """Where membership changes."""
    return [code for code in range(0x110001) if (code in members) != (code - 1 in members)]


def written(places):
    return " ".join(digits(place - before) for before, place in zip([0, *places], places))


def changed(normalizer, before="", after=""):
    return {code: made for code in ALL if (made := normalizer.normalize_str(before + chr(code) + after)) != before + chr(code) + after}


def pieces(pre_tokenizer, text):
    return [piece for piece, _ in pre_tokenizer.pre_tokenize_str(text)]


category = {code: "Cs" for code in range(0xD800, 0xE000)}
for name in CATEGORIES[:-1]:
    left = set(N.Replace(Regex(r"\p{%s}" % name), "").normalize_str(WHOLE))
    category.update((code, name) for code in ALL if chr(code) not in left)


def of(names):
    return {code for code, name in category.items() if name in names.split()}


starts = [code for code in range(0x110000) if code == 0 or category[code] != category[code - 1]]
runs = "".join(
    LETTERS[CATEGORIES.index(category[start])] + (digits(end - start) if end - start > 1 else "") for start, end in zip(starts, [*starts[1:], 0x110000])
)

LETTER, MARK, NUMBER = of("Lu Ll Lt Lm Lo"), of("Mn Mc Me"), of("Nd Nl No")
PUNCTUATION = of("Pc Pd Ps Pe Pi Pf Po")
# [\w], as \w alone has some of Latin-1 more
left = set(N.Replace(Regex(r"[\w]"), "").normalize_str(WHOLE))
word = {code for code in ALL if chr(code) not in left}
# all are ours from here on
spaces = of("Zs Zl Zp") | {9, 10, 11, 12, 13, 0x85}
assert not pieces(P.WhitespaceSplit(), "".join(map(chr, spaces))) and not pieces(P.Whitespace(), "".join(map(chr, spaces)))
assert len("".join(pieces(P.WhitespaceSplit(), WHOLE))) == len(ALL) - len(spaces)
assert N.Replace(Regex(r"\s"), "").normalize_str(WHOLE) == "".join(letter for letter in WHOLE if ord(letter) not in spaces)
word_of_regex = {code for code in ALL if pieces(P.Whitespace(), f"a{chr(code)}") == [f"a{chr(code)}"]}
numeric = {code for code in ALL if len(pieces(P.Digits(), f"a{chr(code)}")) == 2}
punctuation = {code for code in ALL if len(pieces(P.Punctuation(), f"a{chr(code)}")) == 2}
options = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
removed = {code for code, made in changed(N.BertNormalizer(**{**options, "clean_text": True})).items() if made == ""}
accents = {code for code, made in changed(N.BertNormalizer(**{**options, "strip_accents": True})).items() if made == ""}
marks = set(changed(N.StripAccents()))

# a table of SentencePiece with one rule, a becomes b: a grapheme cluster of a and another character becomes b too
trie = [0] * 256
trie[0x61] = 0x80 << 10 | 1 << 8 | 0x61
rule = base64.b64encode(struct.pack("<I256I", 1024, *trie) + b"b\0").decode()
precompiled = N.Normalizer.from_str(json.dumps({"type": "Precompiled", "precompiled_charsmap": rule})) if hasattr(N.Normalizer, "from_str") else N.Precompiled(base64.b64decode(rule))
extending = {code for code in ALL if precompiled.normalize_str(f"a{chr(code)}") == "b"}
prepended = {code for code in ALL if precompiled.normalize_str(f"{chr(code)}a\u0301") == f"{chr(code)}b\u0301"}

# what an engine may do otherwise: what Unicode 14 has not, and what it has otherwise than the library; and what an engine has to do
active, unstable = set(range(0x1100, 0x1200)), {code for code in ALL if unicodedata.category(chr(code)) == "Cn"}
for form in ["NFC", "NFD", "NFKC", "NFKD"]:
    made = changed(getattr(N, form)())
    for code in ALL:
        standard = unicodedata.normalize(form, chr(code))
        if standard != made.get(code, chr(code)):
            unstable.update([code, *map(ord, standard)] if form in ("NFC", "NFD") else [code])
        elif code in made:
            active.update([code, *map(ord, standard)])
for code in ALL:
    order = unicodedata.combining(chr(code))
    before, after = ("a\u0301", "") if order == 1 else ("a", "\u0334")
    if order and N.NFD().normalize_str(before + chr(code) + after) == before + chr(code) + after:
        unstable.add(code)
    elif order:
        active.add(code)
lower = changed(N.Lowercase())
cases = []
for code, made in lower.items():
    if code not in unstable:
        assert made == chr(code).lower()
        active.add(code)
    elif cases and cases[-1][0] + cases[-1][1] == code and cases[-1][2] == ord(made) - code:
        cases[-1][1] += 1
    else:
        cases.append([code, 1, ord(made) - code])
active -= unstable
inside, changing = False, []
for code in ALL:
    if code in (active if inside else unstable):
        changing.append(code)
        inside = not inside

sets = {
    "word": (word, of("Lu Ll Lt Lm Lo Mn Mc Me Nd Nl Pc")),
    "wordOfRegex": (word_of_regex, word),
    "numeric": (numeric, NUMBER),
    "punctuation": (punctuation, PUNCTUATION),
    "removed": (removed, of("Cc Cf Co")),
    "accents": (accents, of("Mn")),
    "marks": (marks, MARK),
    "extending": (extending, MARK),
    "prepended": (prepended, set()),
}
print(
    dedent(f"""\
    /**
     * Classes of characters as the Rust library (tokenizers {__version__}) has them, asked about every code point by
     * test/golden/make/unicode_tables.py, which writes this file. Numbers are of base 36.
     */

    /** General categories of oniguruma, Unicode 16: a letter for each run, and its length where that is not 1. */
    export const categories =
      "{runs}"

    /** The categories' names, and their letters in the same order. */
    export const categoryNames = "{' '.join(CATEGORIES)}"
    export const categoryLetters = "{LETTERS}"

    /**
     * How other sets differ from categories: where being in one and not in the other begins and ends, each by its distance from the last.
     *
     *   word          `[\\\\w]` of oniguruma, from L, M, Nd, Nl and Pc
     *   wordOfRegex   `\\\\w` of regex 1.13 (Unicode 16), from `word`
     *   numeric       `char::is_numeric` of Rust (Unicode 17), from N
     *   punctuation   `is_punctuation` of unicode_categories 0.1 (Unicode 8) with ASCII's, from P
     *   removed       what BERT's cleaning removes (unicode_categories), from Cc, Cf and Co
     *   accents       `is_mark_nonspacing` of unicode_categories, from Mn
     *   marks         `is_combining_mark` of unicode-normalization-alignments 0.1, from M
     *   extending     what continues a grapheme cluster in unicode-segmentation 1.13, from M
     *   prepended     what begins one before a letter there, from nothing
     *   changing      what engines may lower-case or normalize otherwise than Rust: not in Unicode 14, or not in the library
     */
    export const differences = {{"""
    ).replace("\\\\w", "\\w")
)
for name, (own, base) in sets.items():
    print(f'  {name}: "{written(borders(own ^ base))}",')
print(f'  changing: "{written(changing)}"\n}}')
print("\n/** Small letters of capitals among `changing`, Unicode 17: the first, how many, the distance. */")
print("export const newCapitals: ReadonlyArray<readonly [first: number, count: number, distance: number]> = [")
print(",\n".join(f"  [0x{code:x}, {count}, {distance}]" for code, count, distance in cases) + "\n]")
