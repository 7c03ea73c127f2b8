"""Tiny models with SentencePiece vocabularies as GGUF files made by llama.cpp's own converter, and what transformers makes of the same models.

    python test/golden/make/gguf_converted.py LLAMA.CPP README.md [COUNT]
        (torch 2.13.0, transformers 5.24.0, sentencepiece 0.2.3, protobuf, convert_hf_to_gguf.py of llama-cpp-python 0.3.36's llama.cpp)

Writes ../gguf/<model>.gguf, ../gguf/<model>-io.safetensors (logits and loss) and ../gguf/published-tokenizers.json: texts and their ids
without BOS. The vocabularies are trained here with the options of the published ones: Mistral's and Phi-3's as Llama 2's, Phi-3 with tokens
that take the white space behind them, Gemma's without the space prefix and with runs of line ends, spaces and tabs that users defined.
tokenizer.json is what transformers makes of them (LlamaConverter, GemmaConverter). Weights are multiples of half precision, so that the
converter's f16 is exact. COUNT: how many texts (500); with another count only the texts are made and written to the standard output.
"""
import io
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import sentencepiece
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, MistralConfig, MistralForCausalLM, Phi3Config, Phi3ForCausalLM
from transformers.convert_slow_tokenizer import GemmaConverter, GemmaSentencePieceExtractor, LlamaConverter, generate_merges

LLAMA_CPP, README = Path(sys.argv[1]), Path(sys.argv[2])
COUNT = int(sys.argv[3]) if len(sys.argv) > 3 else 500
OUT = Path(__file__).parents[1] / "gguf"
PIECES = 800

MULTILINGUAL = [
    "Zażółć gęślą jaźń, naïve façade, Straße über Köln.", "Съешь ещё этих мягких французских булок, да выпей чаю.", "日本語の文章です。これは試験。",
    "אבגד הוז", "مرحبا بالعالم", "한국어 문장", "Ünïcödé 😀 🎉 👩‍👩‍👧", "x = [1, 2, 3]\n    if x:\n        return  x\n", "a    b  c   d", "<table><tr></tr></table>",
]
LINES = [line for line in README.read_text().replace("\t", " ").split("\n") if line.strip()] + MULTILINGUAL * 20

COMMON = dict(
    model_type="bpe", vocab_size=PIECES, byte_fallback=True, split_digits=True, normalization_rule_name="identity",
    remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, character_coverage=0.99, minloglevel=2,
)
# seven at most, no power of two: runs of more show in which order they are merged
TABS = ["\t" * n for n in range(2, 8)]
RUNS = ["\n" * n for n in range(1, 8)] + ["▁" * n for n in range(2, 8)] + TABS
GEMMA = dict(
    COMMON, add_dummy_prefix=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>",
    user_defined_symbols=["<mask>", "<unused0>", "<start_of_turn>", "<end_of_turn>", *RUNS, "<table>", "</table>", "<h1>"],
)
LLAMA = dict(COMMON, add_dummy_prefix=True)
PHI3 = ["<|endoftext|>", "<|assistant|>", "<|placeholder1|>", "<|system|>", "<|end|>", "<|user|>"]


def texts():
    rng = random.Random(7)
    words = sorted({word for line in LINES for word in line.split(" ") if word})
    odd = [
        " ", "  ", "   ", "     ", "            ", " " * 17, "\t" * 8, "\t" * 17, "\n", "\n\n", "\n\n\n\n\n\n\n\n", "\t", "\t\t", "\t\t\t\t\t", "\r\n", "▁", "▁▁", "\u00a0", "\u3000",
        "é", "e\u0301", "中文", "😀", "👩‍👩‍👧", "𝔘", "\u200d", "ﬁ", "½", "Ⅷ", "٣", "12345", "3.14", "0x1F", "...", "----", "==", "'s", "don't", "http://a.b/c?d=1",
        "<unk>", "<s>", "</s>", "<pad>", "<bos>", "<eos>", "<mask>", "<unused0>", "<start_of_turn>", "<end_of_turn>", "<table>", "</table>", "<h1>",
        "<0x0A>", "<|user|>", "<|end|>", "<|assistant|>", "<|system|>", "<|endoftext|>", "<|", "|>", "[PAD801]",
    ]
    out = ["", " ", "  ", "\n", "a", " a", "a ", "▁a", "<|user|>\nHi<|end|>\n<|assistant|>\n", "<start_of_turn>user\nHi<end_of_turn>\n",
           "</s>  x", "<s>  x", "<|endoftext|>\n x", "<|end|>   ", "  <|end|>", "\t\tx", "a\t\tb", "a    b", "    a", "a\n\n\nb", "tab\tin"]
    while len(out) < COUNT:
        parts = [rng.choice(odd) if rng.random() < 0.4 else rng.choice(words) for _ in range(rng.randint(1, 9))]
        out.append(rng.choice(["", " ", " ", "  "]).join(parts))
    return out


def trained(options):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_writer=model, **options)
    return model.getvalue()


def write_tokenizer(folder, model, options):
    """tokenizer.model, and the fast tokenizer that transformers makes of it, saved as the published folders have it."""
    (folder / "tokenizer.model").write_bytes(trained(options))
    names = dict(pad_token="<pad>", eos_token="<eos>", bos_token="<bos>") if model == "gemma3" else {}
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    slow = SimpleNamespace(vocab_file=str(folder / "tokenizer.model"), legacy=True, convert_ids_to_tokens=pieces.id_to_piece, **names)
    slow.add_prefix_space = model != "gemma3"
    fast = (GemmaConverter if model == "gemma3" else LlamaConverter)(slow).converted()
    if model == "phi3":
        fast.add_tokens([AddedToken("</s>", normalized=False, special=False, rstrip=True)])
        fast.add_special_tokens([AddedToken(t, normalized=False, special=True, rstrip=t != "<|endoftext|>") for t in PHI3])
    elif model == "gemma3":
        fast.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<pad>", "<eos>", "<bos>", "<unk>")])
    if model != "gemma3":
        fast.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ("<unk>", "<s>")])
    if model == "mistral":
        fast.add_special_tokens([AddedToken("</s>", normalized=False, special=True)])
    fast.save(str(folder / "tokenizer.json"))
    # a tab is its byte, and runs of tabs are known to the SentencePiece model alone: the converter takes them for pieces like others
    assert pieces.is_unknown(pieces.piece_to_id("\t"))
    added = {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in json.loads(fast.to_str())["added_tokens"] if t["content"] not in TABS}
    bos, eos = ("<bos>", "<eos>") if model == "gemma3" else ("<s>", "</s>")
    config = dict(tokenizer_class="GemmaTokenizer" if model == "gemma3" else "LlamaTokenizer", added_tokens_decoder=added,
                  bos_token=bos, eos_token=eos, unk_token="<unk>", add_bos_token=True, add_eos_token=False)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return fast


class Extractor:
    """What the converters call: transformers 5.24 has lost the member `sp` that its own class for Gemma uses, and its class for Llama takes
    something else than its converter gives. As in transformers 4."""

    def __init__(self, file):
        self.sp = sentencepiece.SentencePieceProcessor(model_file=file)


class GemmaExtractor(Extractor):
    extract = GemmaSentencePieceExtractor.extract


class LlamaExtractor(Extractor):
    def extract(self, vocab_scores):
        vocab = {self.sp.id_to_piece(i): i for i in range(self.sp.GetPieceSize())}
        return vocab, generate_merges(vocab, vocab_scores)


GemmaConverter.SpmExtractor, LlamaConverter.SpmExtractor = GemmaExtractor, LlamaExtractor

SIZES = dict(hidden_size=16, intermediate_size=24, num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=64)
MODELS = {
    "mistral": (MistralForCausalLM, LLAMA, lambda v: MistralConfig(**SIZES, vocab_size=v, num_hidden_layers=2, sliding_window=None,
                                                                    tie_word_embeddings=True)),
    # rows behind the vocabulary, as Phi-3 has them
    "phi3": (Phi3ForCausalLM, LLAMA, lambda v: Phi3Config(**SIZES, vocab_size=v + 8, num_hidden_layers=2, sliding_window=5, pad_token_id=PIECES, eos_token_id=PIECES,
                                                          original_max_position_embeddings=64, tie_word_embeddings=True)),
    # the sixth layer attends to everything
    "gemma3": (Gemma3ForCausalLM, GEMMA, lambda v: Gemma3TextConfig(**SIZES, vocab_size=v, num_hidden_layers=6, head_dim=8, sliding_window=4,
                                                                    query_pre_attn_scalar=8, pad_token_id=0, eos_token_id=1, bos_token_id=2)),
}


def randomize(model, generator):
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        scaled = 0.3 * noise if parameter.ndim == 1 else noise * (0.5 if "embed" in name else parameter.shape[-1] ** -0.5)
        # norms of Gemma are added to 1: eighths, so that 1 + w is exact
        parameter.data = ((scaled * 8).round() / 8 if parameter.ndim == 1 else scaled).half().float()
        if parameter.ndim == 1 and "Gemma" not in type(model).__name__:
            parameter.data += 1


ids = {}
sample = texts()
for number, (name, (cls, options, config)) in enumerate(MODELS.items()):
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        fast = write_tokenizer(folder, name, options)
        ids[name] = [fast.encode(text, add_special_tokens=False).ids for text in sample]
        if COUNT != 500:
            continue
        generator = torch.Generator().manual_seed(number)
        made = config(fast.get_vocab_size())
        made._attn_implementation = "eager"
        model = cls(made).eval()
        randomize(model, generator)
        model.tie_weights()
        model.save_pretrained(folder)
        converter = [sys.executable, str(LLAMA_CPP / "convert_hf_to_gguf.py"), str(folder), "--outfile", str(OUT / f"{name}-converted.gguf")]
        subprocess.run([*converter, "--outtype", "f16", "--model-name", name], check=True)
        input_ids = torch.randint(4, 700, (2, 9), generator=generator)
        mask = torch.ones_like(input_ids)
        mask[1, 6:] = 0
        labels = torch.where(mask == 1, input_ids, -100)
        with torch.no_grad():
            logits = model(input_ids=input_ids, attention_mask=mask, position_ids=torch.arange(9).expand(2, -1)).logits.float()
        save_file({"input_ids": input_ids.int(), "attention_mask": mask.int(), "labels": labels.int(), "logits": logits.contiguous()},
                  OUT / f"{name}-converted-io.safetensors")
made = json.dumps({"texts": sample, "ids": ids}, separators=(",", ":"))
if COUNT == 500:
    (OUT / "published-tokenizers.json").write_text(made)
else:
    print(made)
