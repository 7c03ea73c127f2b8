"""A small mT5 or UMT5 with PEFT's adapter on all linear layers: hidden states of the encoder, logits, loss, every gradient, and logits after
merging.

    python mt5.py mt5 ../models/mt5
    python mt5.py umt5 ../models/umt5

torch 2.13.0 (CPU), transformers 5.24.0, peft 0.21.2; float32, eager attention, evaluation mode; gradients in float64, since those of
float32 are off by 1.4e-4. What the goldens of T5 have not: an encoder and a
decoder of different heights, heads whose width is not hidden/heads, sources longer than the largest distance that has a bucket of its
own, `tie_word_embeddings` false in config.json as the published mT5 have it, and copies of the embedding in the file. Of UMT5, whose blocks have
relative positions of their own: a feed-forward layer gated by silu, and an output that is scaled and the embedding's.
"""
import json
import os
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import MT5Config, MT5ForConditionalGeneration, UMT5Config, UMT5ForConditionalGeneration

SOURCES, TARGETS = [41, 17, 30], [9, 4, 7]


def padded(lengths, generator, fill):
    out = torch.full((len(lengths), max(lengths)), fill)
    for row, length in enumerate(lengths):
        out[row, : length - 1] = torch.randint(2, 60, (length - 1,), generator=generator)
        out[row, length - 1] = 1
    return out


def main(family, folder):
    tied = family == "umt5"
    make, write = (UMT5Config, UMT5ForConditionalGeneration) if tied else (MT5Config, MT5ForConditionalGeneration)
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(7)
    config = make(
        vocab_size=60, d_model=24, d_kv=10, d_ff=20, num_layers=1, num_decoder_layers=2, num_heads=3, decoder_start_token_id=0,
        relative_attention_num_buckets=8, relative_attention_max_distance=20, attn_implementation="eager",
        feed_forward_proj="gated-silu" if tied else "gated-gelu",
    )
    model = write(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn(parameter.shape) * (0.3 if parameter.dim() > 1 else 0.1) + (1 if "norm" in name else 0))
        head = torch.randn(60, 24) * 0.5
        if not tied:
            model.lm_head.weight = torch.nn.Parameter(head)
    copies = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", *(["lm_head.weight"] if tied else [])]
    tensors = {name: value.contiguous().clone() for name, value in model.state_dict().items() if name not in copies}
    if not tied:
        for name in copies:
            tensors[name] = tensors["shared.weight"].clone()
    save_file(tensors, os.path.join(folder, "model.safetensors"))
    written = {**config.to_dict(), "tie_word_embeddings": tied, "architectures": [write.__name__]}
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump({key: value for key, value in written.items() if not key.startswith("_")}, file, indent=2)

    generator = torch.Generator().manual_seed(3)
    ids, labels = padded(SOURCES, generator, 0), padded(TARGETS, generator, -100)
    mask = (torch.arange(max(SOURCES))[None, :] < torch.tensor(SOURCES)[:, None]).long()
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    decoder_ids = model._shift_right(labels)
    with torch.no_grad():
        out = model(**batch)
    integers = {key: value.int() for key, value in {**batch, "decoder_input_ids": decoder_ids}.items()}
    save_file(
        {
            **integers, "logits": out.logits.contiguous(), "loss": out.loss.reshape(1).contiguous(),
            "encoder_last_hidden_state": out.encoder_last_hidden_state.contiguous(),
        },
        os.path.join(folder, "io.safetensors"),
    )

    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=4, target_modules="all-linear", task_type="SEQ_2_SEQ_LM")).eval()
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape) * 0.2)
    adapted.save_pretrained(os.path.join(folder, "adapter"))
    with torch.no_grad():
        out = adapted(**batch)
    adapted.double()
    adapted(**batch).loss.backward()
    gradients = {
        f"grad.{name.replace('.default', '')}": parameter.grad.float().contiguous()
        for name, parameter in adapted.named_parameters() if parameter.requires_grad
    }
    adapted.float()
    with torch.no_grad():
        logits, loss = out.logits.clone(), out.loss.reshape(1).clone()
        merged = adapted.merge_and_unload()(**batch).logits
    save_file(
        {"logits": logits, "loss": loss, "logits_merged": merged.contiguous(), **gradients},
        os.path.join(folder, "adapter_io.safetensors"),
    )
    os.remove(os.path.join(folder, "adapter", "README.md"))


main(*sys.argv[1:])
