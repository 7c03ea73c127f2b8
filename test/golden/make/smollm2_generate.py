"""Greedy tokens of SmolLM2-135M-Instruct by transformers, on the Q4_1 weights dequantised to float32.

    python smollm2_generate.py SmolLM2-135M-Instruct.Q4_1.gguf ../tokenizers/smollm2/tokenizer.json > ../real/smollm2/generate.json

torch 2.13.0 (CPU), transformers 5.24.0, tokenizers 0.23.3, gguf 0.19.0. `margin`: the least distance of the largest logit from the next.
No token ends a text here, so that each has all of its tokens. Prompts are such that no margin is below 0.01, a hundred times what two orders of
float32 sums make of these logits.
"""
import json
import sys

import numpy as np
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

NEW = 32
PROMPTS = [
    "The capital of France is",
    "def fibonacci(n):\n    if n < 2:\n        return n\n    return",
    "The three primary colors are",
    "Photosynthesis is the process by which",
    "<|im_start|>user\nWrite a haiku about autumn leaves.<|im_end|>\n<|im_start|>assistant\n",
]


def field(reader, name):
    return reader.fields[name].contents()


def load(path):
    reader = GGUFReader(path)
    heads, kv = field(reader, "llama.attention.head_count"), field(reader, "llama.attention.head_count_kv")
    config = LlamaConfig(
        vocab_size=len(field(reader, "tokenizer.ggml.tokens")),
        hidden_size=field(reader, "llama.embedding_length"),
        intermediate_size=field(reader, "llama.feed_forward_length"),
        num_hidden_layers=field(reader, "llama.block_count"),
        num_attention_heads=heads,
        num_key_value_heads=kv,
        max_position_embeddings=field(reader, "llama.context_length"),
        rms_norm_eps=field(reader, "llama.attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": field(reader, "llama.rope.freq_base")},
        rope_theta=field(reader, "llama.rope.freq_base"),  # its name in transformers 4
        tie_word_embeddings=True,
        attn_implementation="eager",
    )
    names = {
        "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
    }
    state = {}
    for tensor in reader.tensors:
        x = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if tensor.name == "token_embd.weight":
            state["model.embed_tokens.weight"] = x
            state["lm_head.weight"] = x
        elif tensor.name == "output_norm.weight":
            state["model.norm.weight"] = x
        else:
            _, layer, part, _ = tensor.name.split(".")
            if part in ("attn_q", "attn_k"):  # llama.cpp pairs neighbouring columns of a head, transformers its halves
                n = heads if part == "attn_q" else kv
                x = x.reshape(n, x.shape[0] // n // 2, 2, x.shape[1]).swapaxes(1, 2).reshape(x.shape)
            state[f"model.layers.{layer}.{names[part]}.weight"] = x
    model = LlamaForCausalLM(config)
    model.load_state_dict({name: torch.from_numpy(np.ascontiguousarray(x)) for name, x in state.items()})
    return model.eval()


@torch.no_grad()
def greedy(model, ids, new):
    """Tokens behind `ids`, and each one's margin."""
    cache, step, tokens, margins = None, torch.tensor([ids]), [], []
    for _ in range(new):
        out = model(input_ids=step, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        best, second = out.logits[0, -1].topk(2).values.tolist()
        margins.append(best - second)
        tokens.append(int(out.logits[0, -1].argmax()))
        step = torch.tensor([[tokens[-1]]])
    return tokens, margins


if __name__ == "__main__":
    model, tokenizer = load(sys.argv[1]), Tokenizer.from_file(sys.argv[2])
    rows = []
    for text in PROMPTS:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        tokens, margins = greedy(model, ids, NEW)
        written = tokenizer.decode(ids + tokens, skip_special_tokens=True)
        before = tokenizer.decode(ids, skip_special_tokens=True)
        row = {"prompt": text, "ids": ids, "tokens": tokens, "text": written[len(before):], "margin": min(margins)}
        rows.append(row)
    json.dump({"rows": rows}, sys.stdout, indent=1)
    print()
