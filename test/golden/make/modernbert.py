"""Two small ModernBERT classifiers with PEFT's adapter on all linear layers of the blocks: hidden states, logits, loss, every gradient, and
logits after merging.

    python modernbert.py modernbert ../models/modernbert
    python modernbert.py modernbert-mean ../models/modernbert-mean

torch 2.13.0 (CPU), transformers 5.24.0, peft 0.21.2; float32, eager attention, evaluation mode. The first is of the published form: no
biases, every third block without a window, two thetas, a head on the first token; texts are longer than the windows. `config_v4.json` is
its config as the published checkpoints spell it. The second has what the first leaves at its defaults: biases everywhere, layer types in
an order of their own, a head with tanh's GELU on the mean, and a backbone whose activation is ReLU.
"""
import json
import os
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import ModernBertConfig, ModernBertForSequenceClassification

LENGTHS = [23, 14, 5]
OPTIONS = {
    "modernbert": {"num_hidden_layers": 4},
    "modernbert-mean": {
        "num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"], "norm_bias": True, "attention_bias": True,
        "mlp_bias": True, "classifier_bias": True, "classifier_pooling": "mean", "classifier_activation": "gelu_pytorch_tanh",
        "hidden_activation": "relu", "norm_eps": 1e-3,
        "rope_parameters": {
            "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
        },
    },
}


def main(name, folder):
    os.makedirs(folder, exist_ok=True)
    torch.manual_seed(11)
    config = ModernBertConfig(
        vocab_size=90, hidden_size=24, intermediate_size=20, num_attention_heads=3, max_position_embeddings=40, local_attention=8, num_labels=3,
        pad_token_id=0, bos_token_id=1, cls_token_id=1, eos_token_id=2, sep_token_id=2, attn_implementation="eager", **OPTIONS[name],
    )
    model = ModernBertForSequenceClassification(config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            parameter.copy_(torch.randn(parameter.shape) * (0.3 if parameter.dim() > 1 else 0.1) + (1 if "norm.weight" in key else 0))
    model.save_pretrained(folder)
    with open(os.path.join(folder, "config.json")) as file:
        written = json.load(file)
    if name == "modernbert":
        old = {key: value for key, value in written.items() if key not in ["layer_types", "rope_parameters"]}
        old |= {"global_attn_every_n_layers": 3, "global_rope_theta": 160000.0, "local_rope_theta": 10000.0, "position_embedding_type": "absolute"}
        with open(os.path.join(folder, "config_v4.json"), "w") as file:
            json.dump(old, file, indent=2)

    generator = torch.Generator().manual_seed(3)
    ids = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=torch.int64)
    for row, length in enumerate(LENGTHS):
        ids[row, :length] = torch.randint(3, 90, (length,), generator=generator)
    mask = (ids > 0).long()
    batch = {"input_ids": ids, "attention_mask": mask, "labels": torch.tensor([2, 0, 1])}
    with torch.no_grad():
        out = model(**batch, output_hidden_states=True)
    states = {f"hidden_states.{i}": state.contiguous() for i, state in enumerate(out.hidden_states)}
    integers = {key: value.int() for key, value in batch.items()}
    save_file({**integers, **states, "logits": out.logits, "loss": out.loss.reshape(1)}, os.path.join(folder, "io.safetensors"))

    adapted = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["Wqkv", "Wi", "Wo"])).eval()
    with torch.no_grad():
        for key, parameter in adapted.named_parameters():
            if "lora_" in key:
                parameter.copy_(torch.randn(parameter.shape) * 0.2)
    adapted.save_pretrained(os.path.join(folder, "adapter"))
    out = adapted(**batch)
    out.loss.backward()
    gradients = {
        f"grad.{key.replace('.default', '')}": parameter.grad for key, parameter in adapted.named_parameters() if "lora_" in key
    }
    tensors = {"logits": out.logits.detach(), "loss": out.loss.detach().reshape(1), **gradients}
    with torch.no_grad():
        tensors["logits_merged"] = adapted.merge_and_unload()(**batch).logits
    save_file(tensors, os.path.join(folder, "adapter_io.safetensors"))
    os.remove(os.path.join(folder, "adapter", "README.md"))


main(*sys.argv[1:])
