"""Golden decoders with the options that models/<family> leave at their defaults.

Writes ../models/variants/<name>/{config.json, model*.safetensors, io.safetensors}: a tiny random model of transformers, and its logits and
loss on rows of which one is padded. Only transformers says what the options mean; nothing is shared with the package's own code.

    python decoder_variants.py        (Python 3.11, torch 2.13.0, transformers 5.24.0, safetensors 0.8.0)
"""
import os

import torch
from safetensors.torch import save_file
from transformers import (
    Gemma3Config, Gemma3ForConditionalGeneration, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig,
    MistralForCausalLM, Phi3Config, Phi3ForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = dict(hidden_size=24, intermediate_size=40, num_attention_heads=4, num_key_value_heads=2, vocab_size=61, pad_token_id=0,
             bos_token_id=1, eos_token_id=2)
LENGTH = 40

LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)

VISION = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8)

VARIANTS = {
    # every frequency band of the scaling is met: 2 pi/w from 6 to 6,000 against 64 and 16 positions; all biases; saved in shards
    "llama3": (LlamaForCausalLM, LlamaConfig(**SIZES, num_hidden_layers=2, head_dim=12, max_position_embeddings=512,
                                             rope_parameters=LLAMA3, attention_bias=True, mlp_bias=True)),
    "llama-linear": (LlamaForCausalLM, LlamaConfig(**SIZES, num_hidden_layers=2, head_dim=8, hidden_act="gelu",
                                                   rope_parameters=dict(rope_type="linear", rope_theta=500.0, factor=3.0))),
    "mistral-window": (MistralForCausalLM, MistralConfig(**SIZES, num_hidden_layers=2, sliding_window=7)),
    "qwen2-window": (Qwen2ForCausalLM, Qwen2Config(**SIZES, num_hidden_layers=3, use_sliding_window=True, sliding_window=5,
                                                   max_window_layers=1, tie_word_embeddings=True)),
    "qwen3-bias": (Qwen3ForCausalLM, Qwen3Config(**SIZES, num_hidden_layers=2, head_dim=10, attention_bias=True)),
    "phi3": (Phi3ForCausalLM, Phi3Config(**SIZES, num_hidden_layers=2, sliding_window=9)),
    "gpt2-untied": (GPT2LMHeadModel, GPT2Config(n_embd=24, n_layer=3, n_head=4, n_inner=30, n_positions=44, vocab_size=61,
                                                activation_function="relu", scale_attn_by_inverse_layer_idx=True,
                                                tie_word_embeddings=False, pad_token_id=0, bos_token_id=1, eos_token_id=2)),
    "gemma3-vision": (Gemma3ForConditionalGeneration, Gemma3Config(
        text_config=dict(**SIZES, num_hidden_layers=3, head_dim=6, sliding_window=6, query_pre_attn_scalar=9,
                         layer_types=["sliding_attention", "full_attention", "sliding_attention"], attn_logit_softcapping=3.0,
                         rope_parameters=dict(full_attention=dict(rope_type="linear", rope_theta=1e6, factor=8.0),
                                              sliding_attention=dict(rope_type="default", rope_theta=1e4))),
        vision_config=VISION, image_token_index=59, boi_token_index=57, eoi_token_index=58, mm_tokens_per_image=4)),
}


def randomize(model, generator):
    """Weights large enough that every option shows in the logits; norms and biases far from 1 and 0."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim == 1:
            parameter.data = 0.3 * noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
        else:
            parameter.data = noise * (0.5 if "embed" in name or "wte" in name else 1.2 * parameter.shape[-1] ** -0.5)


def main():
    for number, (name, (cls, config)) in enumerate(VARIANTS.items()):
        generator = torch.Generator().manual_seed(number)
        config._attn_implementation = "eager"
        model = cls(config).eval()
        randomize(model, generator)
        model.tie_weights()
        folder = os.path.join(HERE, "..", "models", "variants", name)
        os.makedirs(folder, exist_ok=True)
        model.save_pretrained(folder, max_shard_size="20KB" if name == "llama3" else "1GB")
        input_ids = torch.randint(3, 57, (2, LENGTH), generator=generator)
        mask = torch.ones_like(input_ids)
        mask[1, LENGTH - 11:] = 0
        input_ids[mask == 0] = 0
        labels = torch.where(mask == 1, input_ids, -100)
        positions = torch.arange(LENGTH).expand(2, -1)
        with torch.no_grad():
            logits = model(input_ids=input_ids, attention_mask=mask, position_ids=positions).logits.float()
        chosen = labels[:, 1:]
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), chosen.reshape(-1), ignore_index=-100)
        save_file({"input_ids": input_ids.int(), "attention_mask": mask.int(), "labels": labels.int(), "logits": logits.contiguous(),
                   "loss": loss.reshape(1)}, os.path.join(folder, "io.safetensors"))
        print(name, sum(p.numel() for p in model.parameters()), float(loss), float(logits.abs().max()))


main()
