"""CLIP's tokenizer, its zero-shot head, and its other spellings of a config, by transformers and PEFT.

Run in this folder with torch, transformers, tokenizers and peft (made with 2.13.0, 5.24.0, 0.23.3, 0.21.2): python clip.py

* `../models/clip/tokenizer.json`, `tokenizer_config.json`, `preprocessor_config.json`: for the tiny model that is there, of 97 tokens.
* `../tokenizers/clip/`: a vocabulary over all bytes, and `goldens.json`: ids of texts, whole and cut.
* `../clip/configs.json`: what `CLIPConfig` makes of config files that leave much out.
* `../clip/zero_shot.safetensors`: logits, loss and gradients of the zero-shot head over labels and templates in `zero_shot.json`, as
  OpenAI's notebook computes them, for the tiny model and its adapter; `highest.*`: text_embeds where `eos_token_id` is 2.
"""
import json
import shutil
import tempfile
from pathlib import Path

import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers, trainers
from transformers import AutoTokenizer, CLIPConfig, CLIPModel, CLIPTokenizer

GOLDEN = Path(__file__).parent.parent
MODEL = GOLDEN / "models" / "clip"
EOS, BOS = "<|endoftext|>", "<|startoftext|>"

TEXTS = [
    "a photo of a cat.", "A Photo of a CAT", "  spaces\tand\n\nlines  ", "it's we're they've I'm he'll don't she'd IT'S", "rock'n'roll '90s", "12 3.50 $7,99 2026", "½ ² Ⅷ ٣",
    "café CAFÉ cafe\u0301 naïve Ärger ß ẞ", "İstanbul ΑΒΓΣ ΣΑΣ", "🐈 a cat 👩‍👩‍👧 🇫🇮", "日本語 中文 한국어 हिन्दी", "!!! ... ?!,;:-_(){}[]<>/\\|@#%^&*~`\"", "<|endoftext|> inside <|startoftext|>",
    "", " ", "e.g. semi-automatic, state-of-the-art", "snake_case camelCase x²+y²=z²", "\u00a0nbsp\u2003em\u200bzero", "a" * 60, "supercalifragilisticexpialidocious word " * 6,
    "ﬁre ﬀ ™ ① Å", "\ufeffbom", "foo\u0000bar\u0007", "'s's 's't 'LL", "10% of 1,000,000",
]
LENGTHS = [77, 12, 5, 3, 2]


def small(vocab_size, alphabet):
    """CLIP's tokenizer with a vocabulary that was learned from TEXTS; the two special tokens come last, as in CLIP's."""
    blank = CLIPTokenizer()
    blank._tokenizer.model.end_of_word_suffix = "</w>"
    trainer = trainers.BpeTrainer(vocab_size=vocab_size - 2, end_of_word_suffix="</w>", initial_alphabet=alphabet, show_progress=False)
    corpus = [text for text in TEXTS if "<|" not in text and "aaaa" not in text] if len(alphabet) > 100 else ["a photo of a cat.", "a bad photo of the dog.", "a red circle.", "photo photo photo of of of a a the"]
    blank._tokenizer.train_from_iterator(corpus, trainer)
    learned = json.loads(blank._tokenizer.to_str())["model"]
    pieces = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in learned["merges"]]
    # CLIP's order: bytes, bytes that end words, merges, special tokens
    for merge in merges:
        if len(pieces) < vocab_size - 2 and all(part in pieces for part in merge) and "".join(merge) not in pieces:
            pieces.append("".join(merge))
    merges = [merge for merge in merges if "".join(merge) in pieces[2 * len(alphabet) :]]
    assert len(pieces) <= vocab_size - 2, len(pieces)
    return pieces, merges


def tokenizer_of(pieces, merges, special):
    vocabulary = {piece: i for i, piece in enumerate(pieces)} | special
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def save_tokenizer(tokenizer, folder):
    with tempfile.TemporaryDirectory() as temporary:
        tokenizer.save_pretrained(temporary)
        for name in ["tokenizer.json", "tokenizer_config.json"]:
            shutil.copy(Path(temporary) / name, folder / name)


def tokenizers():
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    folder = GOLDEN / "tokenizers" / "clip"
    folder.mkdir(exist_ok=True)
    pieces, merges = small(600, alphabet)
    whole = tokenizer_of(pieces, merges, {BOS: len(pieces), EOS: len(pieces) + 1})
    save_tokenizer(whole, folder)
    texts = []
    for text in TEXTS:
        ids = {length: whole(text, truncation=True, max_length=length)["input_ids"] for length in LENGTHS}
        texts.append({"text": text, "ids": whole(text)["input_ids"], "cut": ids})
    golden = {"lengths": LENGTHS, "vocabulary": len(whole), "eos": whole.eos_token_id, "bos": whole.bos_token_id, "pad": whole.pad_token_id, "texts": texts}
    (folder / "goldens.json").write_text(json.dumps(golden, ensure_ascii=True) + "\n")

    pieces, merges = small(92, list("abcdefghijklmnopqrstuvwxyz0123456789.,-"))
    assert len(pieces) <= 90
    special = {EOS: 90, BOS: 91}
    own = tokenizer_of(pieces, merges, special)
    assert (own.eos_token_id, own.bos_token_id) == (90, 91)
    own.model_max_length = 12
    save_tokenizer(own, MODEL)
    preprocessor = {
        "crop_size": {"height": 16, "width": 16}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_processor_type": "CLIPImageProcessor", "image_std": [0.26862954, 0.26130258, 0.27577711],
        "resample": 3, "rescale_factor": 1 / 255, "size": {"shortest_edge": 16},
    }
    (MODEL / "preprocessor_config.json").write_text(json.dumps(preprocessor, indent=1) + "\n")


CONFIGS = [
    {},
    {"projection_dim": 24},
    {"text_config": {"hidden_size": 64, "num_attention_heads": 4, "eos_token_id": 2, "bos_token_id": 0}, "vision_config": {"patch_size": 16}},
    # as openai/clip-vit-base-patch32 and openai/clip-vit-large-patch14 have it
    {"text_config": {"eos_token_id": 2, "vocab_size": 49408}, "text_config_dict": None, "vision_config": {"num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16}, "vision_config_dict": None},
    {
        "projection_dim": 768,
        "text_config": {"eos_token_id": 2, "bos_token_id": 0, "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "hidden_act": "gelu"},
        "text_config_dict": {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12, "projection_dim": 768},
        "vision_config": {"hidden_size": 640, "patch_size": 16},
        "vision_config_dict": {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "projection_dim": 768},
    },
]
KEPT = {
    "text": ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings", "hidden_act", "layer_norm_eps", "eos_token_id"],
    "vision": ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_channels", "image_size", "patch_size", "hidden_act", "layer_norm_eps"],
}


def configs():
    cases = []
    for given in CONFIGS:
        file = {"model_type": "clip", **given}
        made = CLIPConfig(**json.loads(json.dumps(file)))
        read = {part: {name: getattr(getattr(made, f"{part}_config"), name) for name in names} for part, names in KEPT.items()}
        cases.append({"file": file, "read": {**read, "projection_dim": made.projection_dim}})
    (GOLDEN / "clip" / "configs.json").write_text(json.dumps(cases, indent=1) + "\n")


LABELS = ["cat", "dog", "red circle"]
TEMPLATES = ["a photo of a {}.", "a bad photo of the {}.", "{}"]
TARGETS = [0, 2, 1, 1]


def zero_shot_logits(model, tokenizer, pixels, templates):
    """https://github.com/openai/CLIP/blob/main/notebooks/Prompt_Engineering_for_ImageNet.ipynb"""
    weights = []
    for label in LABELS:
        texts = tokenizer([template.replace("{}", label) for template in templates], padding=True, truncation=True, max_length=12, return_tensors="pt")
        embeddings = model.text_projection(model.text_model(**texts).pooler_output)
        embeddings = embeddings / embeddings.norm(dim=-1, keepdim=True)
        mean = embeddings.mean(dim=0)
        weights.append(mean / mean.norm())
    images = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    images = images / images.norm(dim=-1, keepdim=True)
    return model.logit_scale.exp() * images @ torch.stack(weights).T


def zero_shot():
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    io = load_file(MODEL / "io.safetensors")
    pixels = io["pixel_values"]
    out = {}
    load = lambda: CLIPModel.from_pretrained(MODEL, attn_implementation="eager").eval()
    with torch.no_grad():
        out["logits"] = zero_shot_logits(load(), tokenizer, pixels, TEMPLATES)
        out["logits_one_template"] = zero_shot_logits(load(), tokenizer, pixels, TEMPLATES[:1])
        # one template is what transformers itself computes
        texts = tokenizer([TEMPLATES[0].replace("{}", label) for label in LABELS], padding=True, truncation=True, max_length=12, return_tensors="pt")
        own = load()(pixel_values=pixels, **texts).logits_per_image
        assert (own - out["logits_one_template"]).abs().max() < 1e-5
    for towers in ["both", "vision"]:
        model = PeftModel.from_pretrained(load(), MODEL / "adapter", is_trainable=True)
        model.eval()
        inner = model.base_model.model
        if towers == "vision":
            for name, module in inner.text_model.named_modules():
                if name.endswith(("q_proj", "k_proj", "v_proj", "out_proj")) and hasattr(module, "scaling"):
                    module.scaling["default"] = 0.0
        logits = zero_shot_logits(inner, tokenizer, pixels, TEMPLATES)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(TARGETS))
        loss.backward()
        out[f"{towers}.logits"] = logits.detach()
        out[f"{towers}.loss"] = loss.detach().reshape(1)
        for name, parameter in model.named_parameters():
            if parameter.grad is not None and (towers == "both" or "vision_model" in name):
                out[f"{towers}.grad.{name.replace('.default', '')}"] = parameter.grad
    config = CLIPConfig.from_pretrained(MODEL)
    config.text_config.eos_token_id = 2
    older = CLIPModel.from_pretrained(MODEL, config=config, attn_implementation="eager").eval()
    ids = io["input_ids"].long().clone()
    # the highest id of each row somewhere else than its first end of a text
    ids[0, 2], ids[1, 1], ids[2, 3] = 96, 95, 94
    with torch.no_grad():
        out["highest.input_ids"] = ids.int()
        text = older.text_projection(older.text_model(input_ids=ids).pooler_output)
        out["highest.text_embeds"] = text / text.norm(dim=-1, keepdim=True)
    save_file({name: value.contiguous() for name, value in out.items()}, GOLDEN / "clip" / "zero_shot.safetensors")
    (GOLDEN / "clip" / "zero_shot.json").write_text(json.dumps({"labels": LABELS, "templates": TEMPLATES, "targets": TARGETS}) + "\n")


if __name__ == "__main__":
    (GOLDEN / "clip").mkdir(exist_ok=True)
    tokenizers()
    configs()
    zero_shot()
