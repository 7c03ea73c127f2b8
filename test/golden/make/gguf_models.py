"""Tiny models as GGUF files in float32, by the rules of llama.cpp's converter (convert_hf_to_gguf.py).

    python test/golden/make/gguf_models.py MODELS        (numpy, gguf 0.19.0, safetensors)

MODELS holds llama, llama-tied, qwen2, qwen3, gemma2, gemma3, gpt2 as transformers saves them: config.json and model.safetensors. Names come
from the Python package's own map; what it does not know is written here: rows of q and k of a Llama are permuted, Gemma's norms are stored
as 1 + w, GPT-2's Conv1D weights are transposed. There is no tokenizer in these files.
"""
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file

ARCHITECTURES = {
    "llama": "LLAMA", "llama-tied": "LLAMA", "qwen2": "QWEN2", "qwen3": "QWEN3", "gemma2": "GEMMA2", "gemma3": "GEMMA3", "gpt2": "GPT2",
}


def permute(weights, heads):
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def converted(model, config, name, data):
    if model.startswith("llama") and ".q_proj." in name:
        return permute(data, config["num_attention_heads"])
    if model.startswith("llama") and ".k_proj." in name:
        return permute(data, config["num_key_value_heads"])
    if model.startswith("gemma") and name.endswith("norm.weight"):
        return data + np.float32(1)
    if model == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
        return data.T
    return data


def write_config(writer, model, config):
    if model == "gpt2":
        writer.add_block_count(config["n_layer"])
        writer.add_context_length(config["n_positions"])
        writer.add_embedding_length(config["n_embd"])
        writer.add_feed_forward_length(4 * config["n_embd"])
        writer.add_head_count(config["n_head"])
        writer.add_layer_norm_eps(config["layer_norm_epsilon"])
        return
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    rope = config["rope_parameters"]
    writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    if model != "llama":
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if model.startswith("llama"):
        writer.add_rope_dimension_count(head_dim)
        writer.add_vocab_size(config["vocab_size"])
    if model == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
    if model.startswith("gemma"):
        writer.add_sliding_window(config["sliding_window"])
    if model == "gemma3":
        # every sixth layer sees everything unless the file says otherwise, and this model's third does
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config["layer_types"]])


def write(models, model):
    config = json.loads((models / model / "config.json").read_text())
    tensors = load_file(models / model / "model.safetensors")
    architecture = getattr(gguf.MODEL_ARCH, ARCHITECTURES[model])
    names = gguf.get_tensor_name_map(architecture, config.get("num_hidden_layers") or config["n_layer"])
    file = Path(__file__).parents[1] / "gguf" / f"{model}.gguf"
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[architecture])
    write_config(writer, model, config)
    for kind in ("bos", "eos", "pad"):
        getattr(writer, f"add_{kind}_token_id")(config[f"{kind}_token_id"])
    for name, data in tensors.items():
        stored = names.get_name(name, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(stored, np.ascontiguousarray(converted(model, config, name, data)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


for model in ARCHITECTURES:
    write(Path(sys.argv[1]), model)
