"""Token ids and types of pairs of texts, cut by "longest first", as transformers' fast tokenizers make them (the Rust library).

Run in this folder with transformers and tokenizers (made with 5.24.0, 0.23.3): python text_pairs.py
"""
import json
import tempfile
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

FOLDER = Path(__file__).parent.parent / "tokenizers"
MINILM = FOLDER.parent.parent.parent / "examples" / "models" / "minilm"
PAIRS = [
    ["a gripping film", "the plot is thin"], ["", "a bore"], ["a bore", " "], ["word " * 3, "other " * 40], ["word " * 40, "other " * 3], ["word " * 31, "other " * 30],
    ["word " * 30, "other " * 31], ["word " * 17, "other " * 17], ["The quick brown fox jumps over the lazy dog.", "Don't stop: it's naïve, isn't it?"],
    ["ΑΒΓΣ ΣΑΣ", "Straße ẞ"], ["unbelievably" * 4, "unbelievable"], ["[SEP] inside", "and </s> here"], ["x" * 120, "y"],
]
LENGTHS = [4, 5, 6, 7, 8, 11, 12, 16, 25, 32, 33, 64, 512]


def byte_level(post_processor):
    """A small BPE vocabulary over bytes, as RoBERTa has it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator([text for pair in PAIRS for text in pair], trainer)
    tokenizer.post_processor = post_processor
    return tokenizer


def word_piece(template):
    """A few words of MiniLM's vocabulary under another template."""
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "word": 5, "other": 6, "the": 7, "##s": 8, "film": 9}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = template
    return tokenizer


def cases():
    yield "minilm", None, PreTrainedTokenizerFast(tokenizer_file=str(MINILM / "tokenizer.json"), pad_token="[PAD]"), PAIRS
    roberta = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    bert = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    template = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    for name, tokenizer, pad in [("roberta", byte_level(roberta), "<pad>"), ("bert", word_piece(bert), "[PAD]"), ("distilbert", word_piece(template), "[PAD]")]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tokenizer.json"
            tokenizer.save(str(path))
            yield name, json.loads(path.read_text()), PreTrainedTokenizerFast(tokenizer_file=str(path), pad_token=pad), PAIRS[:10]


def main():
    golden = []
    for name, own, tokenizer, pairs in cases():
        encodings = []
        for first, second in pairs:
            for length in LENGTHS:
                encoded = tokenizer(first, second, truncation="longest_first", max_length=length, return_token_type_ids=True)
                row = {"maxLength": length, "ids": encoded["input_ids"], "typeIds": encoded["token_type_ids"]}
                encodings.append({"text": first, "pair": second, **row})
                if len(encoded["input_ids"]) < length:
                    break
        golden.append({"name": name, **({} if own is None else {"tokenizer": own}), "encodings": encodings})
    (FOLDER / "text_pairs.json").write_text(json.dumps(golden, ensure_ascii=True, separators=(",", ":")) + "\n")


main()
