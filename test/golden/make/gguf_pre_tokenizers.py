"""How texts are cut before byte-level BPE, by the names that GGUF files have for the rules.

    python test/golden/make/gguf_pre_tokenizers.py LLAMA.CPP        (tokenizers 0.23.3, transformers 5.24.0, llama.cpp of llama-cpp-python 0.3.36)

The rules are those of transformers' tokenizers where it has them, the regular expressions of llama.cpp's src/llama-vocab.cpp (those it quotes
"from tokenizer.json" rather than its own adaptations) elsewhere, and for starcoder, refact, smollm and falcon the parts that their tokenizer.json
name (Digits, Punctuation). Cut is with the Rust library. Writes ../gguf/pre-tokenizers.json: texts, and per rule the pieces of each text,
in the alphabet of bytes, separated by spaces.
"""
import json
import random
import re
import sys
from pathlib import Path

from tokenizers import Regex, normalizers
from tokenizers.pre_tokenizers import ByteLevel, Digits, Punctuation, Sequence, Split
from transformers import CodeGenTokenizer, CohereTokenizer, GPT2Tokenizer, GPTNeoXTokenizer, Qwen2Tokenizer
from transformers.models.qwen3_5.tokenization_qwen3_5 import Qwen3_5Tokenizer

SOURCE = (Path(sys.argv[1]) / "src/llama-vocab.cpp").read_text()
FINAL = ByteLevel(add_prefix_space=False, use_regex=False)
GPT2 = ByteLevel(add_prefix_space=False, use_regex=True)


def expressions(case):
    """The list under a case of llama.cpp's switch; what it quotes of tokenizer.json in place of its adaptations."""
    body = SOURCE[re.search(rf"^\s+(case LLAMA_VOCAB_PRE_TYPE_{case}|{case}):", SOURCE, re.M).end() :]
    body = body[: body.index("break;")]
    quoted = re.search(r'original regex from tokenizer\.json\s*\n\s*//\s*"(.*)",?$', body, re.M)
    found = [quoted.group(1)] if quoted else re.findall(r'^\s+"(.*)",$', body, re.M)
    unescaped = {"n": "\n", "r": "\r", "t": "\t"}
    return [re.sub(r"\\(.)", lambda m: unescaped.get(m.group(1), m.group(1)), text) for text in found]


def cut(*patterns, last=()):
    return Sequence([*[Split(Regex(pattern), "isolated") for pattern in patterns], *last, FINAL])


def of_transformers(cls):
    backend = cls(vocab={"a": 0}, merges=[])._tokenizer
    return backend.normalizer, backend.pre_tokenizer


NFC = normalizers.NFC()
deepseek = expressions("DEEPSEEK_LLM")
assert deepseek[-1] == r"\p{N}+" and len(deepseek) == 6
RULES = {
    "default": (None, cut(*expressions("default"))),
    "gpt-2": of_transformers(GPT2Tokenizer), "phi-2": of_transformers(CodeGenTokenizer), "mpt": of_transformers(GPTNeoXTokenizer),
    "qwen2": of_transformers(Qwen2Tokenizer), "qwen35": of_transformers(Qwen3_5Tokenizer), "command-r": of_transformers(CohereTokenizer),
    "starcoder": (None, Sequence([Digits(individual_digits=True), GPT2])),
    "llama-bpe": (None, cut(*expressions("LLAMA3"))),
    "dbrx": (None, cut(*expressions("SMAUG"))),
    "stablelm2": (NFC, cut(*expressions("QWEN2"))),
    "tekken": (None, cut(*expressions("TEKKEN"))),
    "gpt-4o": (None, cut(*expressions("GPT4O"))),
    # numbers by digits, as in tokenizer.json
    "deepseek-llm": (None, cut(*deepseek[:-1], last=[Digits(individual_digits=True)])),
    "deepseek-coder": (None, cut(*expressions("DEEPSEEK_CODER"))),
    "deepseek-v3": (None, cut(*expressions("DEEPSEEK3_LLM"))),
    "falcon": (None, Sequence([Punctuation("contiguous"), GPT2, Digits(individual_digits=False), Split(Regex("[0-9][0-9][0-9]"), "isolated")])),
}

rng = random.Random(3)
ATOMS = [
    "Hello", "world", "I'm", "it'S", "WE'LL", "camelCase", "HTTPServer", "fooBar123", "don’t", "naïve", "e\u0301te\u0301", "Ångström", "Ω", "\u2126", "\u212a",
    "Straße", "ΑΒΓ", "абв", "ПриВет", "中文字符", "日本語テスト", "ひらがな", "カタカナ", "한국어", "नमस्ते", "ภาษาไทย", "مرحبا", "שלום", "ﬁ", "ǅ",
    "0", "7", "42", "123", "1234", "12345678", "3.14", "½", "Ⅷ", "²", "٣٤", "1,000", "x²", " ", "  ", "   ", "\t", "\t\t", "\n", "\n\n", "\r\n", " \n ", "\u00a0", "\u3000", "\u200b",
    "!", "...", "?!", "--", "==>", "$5", "`x`", "a_b", "(a)", "[1]", "{}", "#@", "/path/to", "\\n", "“q”", "—", "。", "，", "！", "～", "€", "😀", "👩‍👩‍👧", "🇩🇪", "\u0301", "'", "'s", "\"",
]
texts = ["", " ", "a", "\n", "  a", "a  ", "a\n", "a \n\n b", "12345", "1 2  3", "'Twas", "I'LL we'll", "\r\n\r\na", "   \n   "]
while len(texts) < 260:
    texts.append("".join(rng.choice(ATOMS) + rng.choice(["", "", " "]) for _ in range(rng.randint(1, 9))))


def pieces(rule, text):
    normalizer, pre_tokenizer = rule
    text = normalizer.normalize_str(text) if normalizer else text
    return " ".join(piece for piece, _ in pre_tokenizer.pre_tokenize_str(text))


out = {"texts": texts, "pieces": {name: [pieces(rule, text) for text in texts] for name, rule in RULES.items()}}
Path(__file__).parents[1].joinpath("gguf/pre-tokenizers.json").write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")))
