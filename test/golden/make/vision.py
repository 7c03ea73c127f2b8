"""Golden models of images with what models/vit and models/clip leave at their defaults.

Writes ../models/vision/<name>/{config.json, model.safetensors, io.safetensors}: a tiny random model of transformers, and what it makes of
four images; with an adapter of PEFT on all linear layers of the blocks and a trained classifier, also its loss, gradients and logits.

    python vision.py        (Python 3.11, torch 2.13.0, transformers 5.24.0, peft 0.21.2, safetensors 0.8.0)
"""
import os

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPForImageClassification, ViTConfig, ViTForImageClassification, ViTModel

HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = dict(hidden_size=24, intermediate_size=36, num_hidden_layers=2, num_attention_heads=3)
TEXT = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=20, max_position_embeddings=6)
LABELS = dict(id2label={0: "bee", 1: "ant", 2: "wasp"}, label2id={"bee": 0, "ant": 1, "wasp": 2})

MODELS = {
    # images and patches that are no squares, an image that is no whole number of patches, projections without bias
    "vit-odd": (ViTForImageClassification, ViTConfig(**SIZES, image_size=[14, 21], patch_size=[4, 5], hidden_act="gelu_new", qkv_bias=False,
                                                     layer_norm_eps=1e-3, **LABELS)),
    # the backbone alone, whose file has no "vit." and a pooler that no classifier reads
    "vit-backbone": (ViTModel, ViTConfig(**SIZES, image_size=8, patch_size=4, hidden_act="quick_gelu")),
    "clip-classifier": (CLIPForImageClassification, CLIPConfig(
        vision_config=dict(**SIZES, image_size=10, patch_size=5), text_config=TEXT, projection_dim=6, **LABELS)),
}
ADAPTED = {"clip-classifier": ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]}


def randomize(model, generator):
    """Weights large enough that every option shows in the logits; norms and biases far from 1 and 0."""
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        norm = parameter.ndim == 1 and "norm" in name and name.endswith("weight")
        width = parameter[0].numel() if parameter.ndim > 1 else 1
        parameter.data = 1 + 0.3 * noise if norm else 0.3 * noise if parameter.ndim == 1 else noise * 1.2 * width ** -0.5


def numbers(tensors):
    return {name: value.detach().reshape(value.shape or (1,)).contiguous() for name, value in tensors.items()}


def main():
    for number, (name, (cls, config)) in enumerate(MODELS.items()):
        generator = torch.Generator().manual_seed(90 + number)
        config._attn_implementation = "eager"
        model = cls(config).eval()
        randomize(model, generator)
        folder = os.path.join(HERE, "..", "models", "vision", name)
        model.save_pretrained(folder)
        own = getattr(config, "vision_config", config)
        height, width = own.image_size if isinstance(own.image_size, list) else (own.image_size, own.image_size)
        pixels = torch.randn(4, 3, height, width, generator=generator)
        labels = torch.tensor([0, 2, 1, 2])
        tensors = {"pixel_values": pixels, "labels": labels.int()}
        if cls is ViTModel:
            tensors["class_token"] = model(pixel_values=pixels).last_hidden_state[:, 0]
        else:
            output = model(pixel_values=pixels, labels=labels)
            tensors |= {"logits": output.logits, "loss": output.loss}
        save_file(numbers(tensors), os.path.join(folder, "io.safetensors"))
        if name in ADAPTED:
            adapt(model, ADAPTED[name], pixels, labels, generator, folder)


def adapt(model, targets, pixels, labels, generator, folder):
    adapted = get_peft_model(model, LoraConfig(r=2, lora_alpha=4, target_modules=targets, modules_to_save=["classifier"])).eval()
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data + 0.2 * torch.randn(parameter.shape, generator=generator)
    adapted.save_pretrained(os.path.join(folder, "adapter"))
    os.remove(os.path.join(folder, "adapter", "README.md"))
    output = adapted(pixel_values=pixels, labels=labels)
    output.loss.backward()
    tensors = {"logits": output.logits, "loss": output.loss}
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad:
            own = name.replace(".default", "").replace(".modules_to_save", "")
            tensors[f"grad.{own}"] = parameter.grad
    tensors["logits_merged"] = adapted.merge_and_unload()(pixel_values=pixels).logits
    save_file(numbers(tensors), os.path.join(folder, "adapter_io.safetensors"))


if __name__ == "__main__":
    main()
