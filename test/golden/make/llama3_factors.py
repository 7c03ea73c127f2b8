"""What llama.cpp's converter puts into rope_freqs.weight for Llama 3.x, by transformers' own rule: unscaled over scaled frequencies.

    python test/golden/make/llama3_factors.py        (torch, transformers 5.24.0)
"""
import json
from pathlib import Path

from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

CASES = {
    "Llama 3.1 8B": (128, 8.0, 8192, 4.0),
    "Llama 3.2 1B": (64, 32.0, 8192, 4.0),
    "another original length": (64, 8.0, 4096, 4.0),
    "another bound": (64, 8.0, 8192, 8.0),
}

out = {}
for name, (head_dim, factor, original, high) in CASES.items():
    rope = {
        "rope_type": "llama3", "rope_theta": 500000.0, "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": high,
        "original_max_position_embeddings": original,
    }
    config = LlamaConfig(hidden_size=8 * head_dim, num_attention_heads=8, head_dim=head_dim, max_position_embeddings=131072, rope_parameters=rope)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = [500000.0 ** (-2 * j / head_dim) for j in range(head_dim // 2)]
    out[name] = {"headDim": head_dim, "factor": factor, "factors": [p / float(s) for p, s in zip(plain, scaled)]}
Path(__file__).parents[1].joinpath("gguf/llama3-factors.json").write_text(json.dumps(out))
