"""Token ids of WordPiece from the Rust library (Python's tokenizers), for texts of many scripts, characters beyond U+FFFF, marks and controls.

Run in this folder with tokenizers (made with 0.23.3): python word_piece.py
"""
import json
import random
from pathlib import Path

from tokenizers import Tokenizer

FOLDER = Path(__file__).parent.parent / "tokenizers"
TEXTS = [
    "𠀀𪛖", "a𠀀b 𪛖c", "𫝀𫠝𫢸", "\U0002B81F\U0002B820\U0002B91F\U0002B920\U0002CEAF", "\U0002F800丽\U0002FA1F", "𠮷野家で吉野", "中文字符㐀䶿豈", "漢字かなカナ한국어",
    "The quick brown fox jumps over the lazy dog.", "naïve café déjà vu Ångström ŒUVRE", "ΑΒΓΣ ΣΑΣ ὈΔΥΣΣΕΎΣ", "İstanbul IĞDIR ısı", "Straße ẞ", "Ǆ ǅ ǆ ﬁ ﬂ",
    "Привет, мир! Ёлка й", "שָׁלוֹם עֲלֵיכֶם", "مرحبا بالعالم ٱلْقُرْآن", "नमस्ते दुनिया क्षत्रिय", "வணக்கம் உலகம்", "สวัสดีชาวโลก", "ສະບາຍດີ", "မင်္ဂလာပါ", "გამარჯობა ᲛᲗᲐᲕᲠᲣᲚᲘ",
    "Ⴀⴀ ՀԱՅ հայ", "ጤና ይስጥልኝ", "ខ្ញុំ", "བོད་སྐད", "ᏣᎳᎩ ꭰ", "𐐀𐐨 𝒜𝔅 𝟘𝟙 𝓗ello", "𞤀𞤢𞤣", "𓀀𓁐", "😀😃👩‍👩‍👧‍👦🇩🇪✈️", "a👍🏽b", "e\u0301 e\u0301\u0323 a\u0308\u0304", "Z\u0351\u036b\u0343algo\u0302\u0303",
    "tab\tnew\nline\r\nnbsp\u00a0thin\u2009zero\u200bwidth\u200djoin\ufeffbom", "nul\x00bell\x07esc\x1b[0m del\x7f nel\x85", "\ue000private\U000F0000use\ufffd", "soft\u00adhyphen rtl\u202eoverride",
    "¡Hola! «guillemets» “quotes” ‘single’ — – … ·", "$100 + €5 = ¥? ^`~|<>", "email@example.com https://a.b/c?d=e#f", "1234567890 ٠١٢ ½ Ⅷ ²³", "！＂＃ＡＢＣ１２３ｱｲｳ", "a" * 99 + " " + "b" * 100 + " " + "c" * 101,
    "😀" * 100, "😀" * 101, "𝟘" * 100 + " " + "𝟘" * 101, "", " ", "\u3000全角\u3000", "don't stop-believing it's", "[MASK] [CLS]inside[SEP] [mask]",
]
VARIANTS = [
    {}, {"normalizer": {"lowercase": False}}, {"normalizer": {"strip_accents": False}}, {"normalizer": {"lowercase": False, "strip_accents": True}},
    {"normalizer": {"handle_chinese_chars": False}}, {"model": {"max_input_chars_per_word": 4}},
]


def mixtures(count):
    """Words of characters from everywhere that the library's tables of properties know as every newer one does."""
    chance = random.Random(15)
    ranges = [(0x20, 0x7E), (0xA1, 0x17F), (0x391, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA), (0x4E00, 0x4EFF), (0x20000, 0x200FF), (0x2CE00, 0x2CEFF),
              (0x1F600, 0x1F64F), (0x300, 0x33F), (0x1D400, 0x1D4FF), (0x2000, 0x206F), (0x0, 0x1F), (0x2F800, 0x2F8FF)]
    for _ in range(count):
        yield "".join(chr(chance.randint(*chance.choice(ranges))) for _ in range(chance.randint(1, 24)))


def main():
    texts = TEXTS + list(mixtures(100))
    own = json.loads((FOLDER / "minilm" / "tokenizer.json").read_text())
    cases = []
    for change in VARIANTS:
        changed = {**own, "truncation": None, "padding": None, **{part: {**own[part], **fields} for part, fields in change.items()}}
        tokenizer = Tokenizer.from_str(json.dumps(changed))
        cases.append({"change": change, "ids": [tokenizer.encode(text).ids for text in texts]})
    golden = {"texts": texts, "cases": cases}
    (FOLDER / "word_piece.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")


main()
