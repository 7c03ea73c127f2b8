"""Token ids from the Rust library (Python's tokenizers) of random texts over all planes of Unicode, for every kind of tokenizer.

Run in this folder (made with tokenizers 0.23.3, Unicode 16 and 17 in its parts): python unicode_texts.py [COUNT FOLDER]

COUNT is 5,000 for the tests, FOLDER ../tokenizers/unicode. Written are

  texts.json.gz   the texts; no two processes make other ones
  kinds.json      name: base (a folder of ../tokenizers, or a file here), the parts of its tokenizer.json that are changed
  bytes.json, pieces.json, spelled.json
                  small vocabularies trained on such texts: byte-level BPE, Unigram, and BPE with bytes for what it has no piece for
  ids.json        name: of each text two bytes of a hash of its ids, together in base64
"""
import base64
import gzip
import json
import random
import sys
from collections import Counter
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

FOLDER = Path(__file__).parent.parent / "tokenizers"
ALL = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def members(pattern):
    """The code points that a class of oniguruma has."""
    left = set(normalizers.Replace(Regex(pattern), "").normalize_str("".join(map(chr, ALL))))
    return [code for code in ALL if chr(code) not in left]


ASSIGNED = members(r"[^\p{Cn}\p{Co}]")
PAGES = sorted({code >> 7 for code in ASSIGNED if not 0x3400 <= code < 0xD7A4 and not 0x17000 <= code < 0x18D00 and not 0x20000 <= code < 0x33480})
LARGE = [(0x3400, 0xA000), (0xAC00, 0xD7A4), (0x17000, 0x18D00), (0x20000, 0x33480), (0xE000, 0xF900), (0xF0000, 0x110000)]
MARKS = members(r"\p{M}")
SPACES = [*members(r"\s"), 0xFEFF, 0x180E, 0x200B, 0x200C, 0x200D, 0x2060, 0x1C, 0x1D, 0x1E, 0x1F, *[0x20] * 10]
CASED = members(r"[\p{Lu}\p{Lt}]")
KINDS = {name: members(r"\p{%s}" % name) for name in ["Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cf", "Lm", "Mc", "Me"]}
WORDS = ["the", "Film", "isn't", "we'll", "I'M", "déjà", "ΣΑΣ", "İstanbul", "straße", "ﬁne", "ǅ", "of", "don’t", "N'T", "a", "X", "ing"]
SPECIAL = ["[MASK]", "<|endoftext|>", "<|im_start|>", "</s>", "<pad>", "<extra>", "[SEP]", "<word>", "<Name>"]


def texts(count, seed=33):
    chance = random.Random(seed)

    def some(pool):
        return chr(chance.choice(pool))

    def page():
        start = chance.choice(PAGES) << 7
        return lambda: chr(start + chance.randrange(128))

    def large():
        start, end = chance.choice(LARGE)
        return lambda: chr(chance.randrange(start, end))

    def combining():
        base = chance.choice([page(), large(), lambda: chance.choice("aeoAEOnΩйI1 ")])
        return lambda: base() + "".join(some(MARKS) for _ in range(chance.randint(0, 3)))

    def jamo():
        return lambda: chr(0x1100 + chance.randrange(0x100))

    def kind():
        pool = KINDS[chance.choice(list(KINDS))]
        return lambda: some(pool)

    sources = [
        page, page, page, large, combining, combining, jamo, kind, kind,
        lambda: lambda: some(SPACES), lambda: lambda: some(SPACES), lambda: lambda: some(CASED),
        lambda: lambda: chance.choice(WORDS), lambda: lambda: chance.choice(WORDS) + " ", lambda: lambda: chance.choice(SPECIAL),
        lambda: lambda: str(chance.randrange(10_000)), lambda: lambda: chr(chance.randrange(128)), lambda: lambda: chr(chance.randrange(0x250)),
        lambda: lambda: some(ASSIGNED), lambda: lambda: some(ALL), lambda: lambda: chance.choice("\u0345\u0301\u0323\u3099\u309a\u200d\ufe0f\U0001f3fd\u094d\u0cd6"),
    ]
    for _ in range(count):
        used = [chance.choice(sources)() for _ in range(chance.randint(1, 4))]
        yield "".join(chance.choice(used)() for _ in range(chance.randint(1, 24)))


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def sequence(*parts):
    return {"type": "Sequence", "pretokenizers": list(parts)}


def normal(*parts):
    return {"type": "Sequence", "normalizers": [part if isinstance(part, dict) else {"type": part} for part in parts]}


def bytes_level(regex=False, prefix=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def metaspace(scheme="always", cut=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": cut}


SPACES_OF_WORDS = r"\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES_OF_WORDS
QWEN2 = LLAMA3.replace("{1,3}", "")
QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + SPACES_OF_WORDS
UPPER, LOWER, BEFORE = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", r"[^\r\n\p{L}\p{N}]?"
GPT4O = f"{BEFORE}{UPPER}*{LOWER}+|{BEFORE}{UPPER}+{LOWER}*" + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES_OF_WORDS
DEEPSEEK3 = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|""" + SPACES_OF_WORDS
KIMI = r"[\p{Han}]+|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + SPACES_OF_WORDS
FALCON = sequence({"type": "Punctuation", "behavior": "Contiguous"}, bytes_level(True), {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]"))

CHANGES = {
    "bert": ("minilm", {}),
    "bert, cased": ("minilm", {"normalizer": {"lowercase": False}}),
    "bert, accents": ("minilm", {"normalizer": {"strip_accents": False}}),
    "bert, cased without accents": ("minilm", {"normalizer": {"lowercase": False, "strip_accents": True}}),
    "bert, as it comes": ("minilm", {"normalizer": {"clean_text": False, "handle_chinese_chars": False}}),
    "smollm2": ("smollm2", {}),
    "gpt2": ("bytes", {"pre_tokenizer": bytes_level(True)}),
    "gpt2 with prefix": ("bytes", {"pre_tokenizer": bytes_level(True, True)}),
    "llama3": ("bytes", {"pre_tokenizer": sequence(split(LLAMA3), bytes_level()), "model": {"ignore_merges": True}}),
    "qwen2": ("bytes", {"normalizer": {"type": "NFC"}, "pre_tokenizer": sequence(split(QWEN2), bytes_level())}),
    "qwen3.5": ("bytes", {"normalizer": {"type": "NFC"}, "pre_tokenizer": sequence(split(QWEN35), bytes_level())}),
    "gpt-4o": ("bytes", {"pre_tokenizer": sequence(split(GPT4O), bytes_level())}),
    "deepseek-v3": ("bytes", {"pre_tokenizer": sequence(split(r"\p{N}{1,3}"), split("[一-龥\u3040-ゟ゠-ヿ]+"), split(DEEPSEEK3), bytes_level())}),
    "kimi": ("bytes", {"pre_tokenizer": sequence(split(KIMI), bytes_level())}),
    "falcon": ("bytes", {"pre_tokenizer": FALCON}),
    "clip": ("clip", {}),
    "t5": ("t5", {}),
    "xlm-roberta": ("t5", {"normalizer": normal("PRECOMPILED", {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}), "pre_tokenizer": metaspace()}),
    "albert": ("pieces", {"normalizer": normal("NFKD", "StripAccents", "Lowercase", "PRECOMPILED"), "pre_tokenizer": sequence({"type": "WhitespaceSplit"}, metaspace())}),
    "unigram": ("pieces", {"normalizer": {"type": "NFKC"}, "pre_tokenizer": metaspace("first")}),
    "unigram, unsplit": ("pieces", {"normalizer": normal({"type": "Strip", "strip_left": True, "strip_right": False}, "NFD"), "pre_tokenizer": metaspace("never", False)}),
    "llama2": ("spelled", {"normalizer": normal({"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"})}),
    "gemma": ("spelled", {"normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}}),
    "whitespace": ("bytes", {"pre_tokenizer": sequence({"type": "Whitespace"}, bytes_level())}),
    "whitespace, lowercase": ("bytes", {"normalizer": normal("NFKC", "Lowercase", {"type": "Strip", "strip_left": False, "strip_right": True}), "pre_tokenizer": sequence({"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Digits", "individual_digits": True}, bytes_level())}),
    "punctuation removed": ("bytes", {"normalizer": {"type": "NFKD"}, "pre_tokenizer": sequence({"type": "Punctuation", "behavior": "Removed"}, bytes_level())}),
    "punctuation before": ("bytes", {"pre_tokenizer": sequence({"type": "Punctuation", "behavior": "MergedWithPrevious"}, bytes_level())}),
    "words": ("bytes", {"pre_tokenizer": sequence(split(r"\b", "Removed"), split(r"\w+|[^\w\s]+", "Removed", True), bytes_level())}),
    "classes": ("bytes", {"pre_tokenizer": sequence(split(r"[\w&&[^\d]]+|[[:punct:]]|\W{2}", "MergedWithNext"), bytes_level())}),
    "numbers": ("bytes", {"pre_tokenizer": sequence(split(r"\p{Nd}+|\p{Nl}|[^\P{No}1]", "Contiguous"), split(r"\p{Lu}\p{Ll}*|\P{L}+", "Isolated", True), bytes_level())}),
}


def train(sample):
    """Tokenizers with a vocabulary of some hundred tokens each."""
    made = {}
    special = [AddedToken("<pad>", special=True), AddedToken("</s>", special=True), AddedToken("<unk>", special=True)]
    added = [AddedToken("<extra>", lstrip=True, rstrip=True, normalized=False), AddedToken("<word>", single_word=True, normalized=False), AddedToken("<Name>", normalized=True, lstrip=True)]
    level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made["bytes"] = Tokenizer(models.BPE())
    made["bytes"].pre_tokenizer = level
    made["bytes"].decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=special, initial_alphabet=level.alphabet(), show_progress=False)
    made["bytes"].train_from_iterator(sample, trainer)
    made["pieces"] = Tokenizer(models.Unigram())
    made["pieces"].pre_tokenizer = pre_tokenizers.Metaspace()
    frequent = {letter for letter, _ in Counter("".join(sample)).most_common(500)}
    known = ["".join(letter for letter in text if letter in frequent) for text in sample]
    made["pieces"].train_from_iterator(known, trainers.UnigramTrainer(vocab_size=1_200, special_tokens=special, unk_token="<unk>", show_progress=False))
    made["spelled"] = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made["spelled"].pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    spelled = [*special, *[AddedToken(f"<0x{byte:02X}>", special=False) for byte in range(256)]]
    made["spelled"].train_from_iterator(sample, trainers.BpeTrainer(vocab_size=1100, special_tokens=spelled, limit_alphabet=200, show_progress=False))
    out = {}
    for name, tokenizer in made.items():
        tokenizer.add_tokens(added)
        out[name] = json.loads(tokenizer.to_str())
        bytes_of = {f"<0x{byte:02X}>" for byte in range(256)}
        out[name]["added_tokens"] = [token for token in out[name]["added_tokens"] if token["content"] not in bytes_of]
    return out


def hashed(ids):
    """FNV-1a over the numbers."""
    value = 0x811C9DC5
    for number in ids:
        value = (value ^ number) * 0x01000193 & 0xFFFFFFFF
    return (value ^ value >> 16) & 0xFFFF


def main(count=5_000, folder=FOLDER / "unicode"):
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    made = list(texts(int(count)))
    trained = folder if (folder / "bytes.json").exists() else None
    bases = {name: json.loads((folder / f"{name}.json").read_text()) for name in ["bytes", "pieces", "spelled"]} if trained else train(list(texts(4_000, 1)) + WORDS * 40)
    for name, own in bases.items():
        (folder / f"{name}.json").write_text(json.dumps(own, ensure_ascii=False, separators=(",", ":")) + "\n")
    for name in ["minilm", "smollm2", "clip", "t5"]:
        bases[name] = json.loads((FOLDER / name / "tokenizer.json").read_text())
    precompiled = bases["t5"]["normalizer"]
    kinds, ids = {}, {}
    for name, (base, change) in CHANGES.items():
        kinds[name] = {"base": base, "change": change}
        whole = {**bases[base], "truncation": None, "padding": None, "post_processor": None}
        for part, fields in change.items():
            whole[part] = {**whole[part], **fields} if part == "model" or base == "minilm" else fields
        text = json.dumps(whole).replace('{"type": "PRECOMPILED"}', json.dumps(precompiled))
        tokenizer = Tokenizer.from_str(text)
        encoded = [encoding.ids for encoding in tokenizer.encode_batch(made)]
        ids[name] = base64.b64encode(b"".join(hashed(own).to_bytes(2, "little") for own in encoded)).decode()
        if trained and count != 5_000:
            (folder / "all").mkdir(exist_ok=True)
            (folder / "all" / f"{name}.json").write_text(json.dumps(encoded, separators=(",", ":")))
    (folder / "texts.json.gz").write_bytes(gzip.compress(json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode(), 9, mtime=0))
    (folder / "kinds.json").write_text(json.dumps(kinds, ensure_ascii=False, indent=1) + "\n")
    (folder / "ids.json").write_text(json.dumps(ids, indent=0) + "\n")


main(*sys.argv[1:])
