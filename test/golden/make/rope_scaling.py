"""Golden decoders whose rotary positions are stretched or turn part of a head: dynamic, YaRN, LongRoPE, partial.

Writes ../models/rope/<name>/: config.json and config_v4.json (the older spelling, which must give the same logits), model.safetensors,
a PEFT adapter, and
  io.safetensors          <text>.input_ids, <text>.logits, <text>.loss for a text `within` the original context and one `beyond` it;
                          generate.prompt, generate.tokens, generate.margin: greedy with a cache, across the end of the original context;
                          option.<i>.logits of the last tokens of the text beyond, for each entry of options.json
  adapter_io.safetensors  <text>.logits, <text>.logits_merged of the last tokens, <text>.loss, <text>.grad.<name>
  options.json            the same weights under other numbers: what replaces rope_parameters
Each text is a batch of its own and each pass has a fresh model: transformers decides by the longest text of a batch, and dynamic
frequencies stay as long as the longest text so far asks.

llama-partial: no class of transformers turns part of a Llama's head, so its logits are those of a Phi-3 that holds the same weights in
one piece. phi3-longrope also becomes ../gguf/phi3-longrope.gguf.

    python test/golden/make/rope_scaling.py        (torch 2.13.0, transformers 5.24.0, peft 0.21.2, safetensors 0.8.0, gguf 0.19.0)
"""
import copy
import json
import math
import shutil
from pathlib import Path

import gguf
import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM, Qwen2Config, Qwen2ForCausalLM

OUT = Path(__file__).parents[1] / "models" / "rope"
ORIGINAL, LONGEST = 20, 80
TEXTS = {"within": 12, "beyond": 34}
PROMPT, WRITTEN = 14, 20
LAST = 6
SIZES = dict(hidden_size=16, intermediate_size=20, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, vocab_size=32,
             pad_token_id=0, bos_token_id=1, eos_token_id=2, attn_implementation="eager")
YARN = dict(rope_type="yarn", rope_theta=200.0, factor=4.0, original_max_position_embeddings=ORIGINAL)
SHORT = [1.05, 1.3, 1.7]
LONG = [1.4, 2.6, 4.2]
LONGROPE = dict(rope_type="longrope", rope_theta=200.0, partial_rotary_factor=0.75, short_factor=SHORT, long_factor=LONG,
                original_max_position_embeddings=ORIGINAL)

MODELS = {
    "llama-dynamic": (LlamaForCausalLM, LlamaConfig, dict(
        head_dim=16, max_position_embeddings=ORIGINAL, rope_parameters=dict(rope_type="dynamic", rope_theta=200.0, factor=4.0)), []),
    "qwen2-yarn": (Qwen2ForCausalLM, Qwen2Config, dict(head_dim=16, max_position_embeddings=LONGEST, rope_parameters=YARN), [
        YARN | dict(attention_factor=1.7),
        YARN | dict(mscale=2.0, mscale_all_dim=0.5),
        YARN | dict(beta_fast=1.5, beta_slow=0.25),
        YARN | dict(truncate=False),
        YARN | dict(factor=2.0),
        # no place of a pair lies between the two
        YARN | dict(beta_fast=64.0, beta_slow=48.0),
    ]),
    "phi3-longrope": (Phi3ForCausalLM, Phi3Config, dict(
        max_position_embeddings=LONGEST, original_max_position_embeddings=ORIGINAL, rope_parameters=LONGROPE), [
        LONGROPE | dict(attention_factor=1.6),
        LONGROPE | dict(factor=16.0),
        LONGROPE | dict(partial_rotary_factor=0.5, short_factor=SHORT[:2], long_factor=LONG[:2]),
        dict(rope_type="default", rope_theta=200.0, partial_rotary_factor=0.25),
    ]),
}


def built(cls, config_class, options, weights=None):
    config = config_class(**(SIZES | copy.deepcopy(options)))
    torch.manual_seed(0)
    model = cls(config).eval()
    if weights is not None:
        model.load_state_dict(weights)
    return model


def randomized(cls, config_class, options, generator):
    model = built(cls, config_class, options)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim == 1:
            parameter.data = 0.3 * noise + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
        else:
            # attention far from uniform: where keys stand has to show
            parameter.data = noise * (0.7 if "embed" in name else 1.6 * parameter.shape[-1] ** -0.5)
    return model.state_dict()


def loss_of(logits, ids):
    return torch.nn.functional.cross_entropy(logits[0, :-1], ids[0, 1:])


def older(config):
    """The spelling of transformers 4."""
    config = copy.deepcopy(config)
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    rope["type"] = rope.pop("rope_type")
    if config["model_type"] == "phi3":
        # where Phi-3 has it
        config["original_max_position_embeddings"] = rope.pop("original_max_position_embeddings")
    return config | {"rope_scaling": rope, "transformers_version": "4.46.0"}


def texts(generator):
    return {name: torch.randint(3, 32, (1, length), generator=generator) for name, length in TEXTS.items()}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for number, (name, (cls, config_class, options, others)) in enumerate(MODELS.items()):
        generator = torch.Generator().manual_seed(100 + number)
        weights = randomized(cls, config_class, options, generator)
        fresh = lambda own=options: built(cls, config_class, own, weights)
        folder = OUT / name
        folder.mkdir(parents=True)
        model = fresh()
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink()
        saved = json.loads((folder / "config.json").read_text())
        (folder / "config_v4.json").write_text(json.dumps(older(saved), indent=2) + "\n")
        ids = texts(generator)
        io = {}
        for text, own in ids.items():
            with torch.no_grad():
                logits = fresh()(input_ids=own).logits
                again = cls(config_class.from_dict(older(saved), attn_implementation="eager"))
                again.load_state_dict(weights)
                again.eval()
                assert torch.equal(again(input_ids=own).logits, logits), f"{name}: the older spelling differs"
            io |= {f"{text}.input_ids": own.int(), f"{text}.logits": logits, f"{text}.loss": loss_of(logits, own).reshape(1)}
        for i, other in enumerate(others):
            with torch.no_grad():
                io[f"option.{i}.logits"] = fresh(options | {"rope_parameters": other})(input_ids=ids["beyond"]).logits[:, -LAST:]
        (folder / "options.json").write_text(json.dumps(others) + "\n")
        prompt = ids["beyond"][:, :PROMPT]
        out = fresh().generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=WRITTEN, eos_token_id=None,
                               output_logits=True, return_dict_in_generate=True)
        margins = [float(-torch.diff(step[0].topk(2).values)) for step in out.logits]
        io |= {"generate.prompt": prompt[0].int(), "generate.tokens": out.sequences[0, PROMPT:].int(),
               "generate.margin": torch.tensor([min(margins)])}
        save_file({key: value.contiguous() for key, value in io.items()}, folder / "io.safetensors")

        fused = cls is Phi3ForCausalLM
        lora = LoraConfig(r=2, lora_alpha=4, target_modules=["qkv_proj", "down_proj"] if fused else ["q_proj", "k_proj", "down_proj"])
        adapted_io = {}
        noise = None
        for text, own in ids.items():
            adapted = get_peft_model(fresh(), lora).eval()
            factors = {key: value for key, value in adapted.named_parameters() if "lora_" in key}
            if noise is None:
                noise = {key: 0.4 * torch.randn(value.shape, generator=generator) for key, value in factors.items()}
            for key, value in factors.items():
                value.data = noise[key].clone()
            if text == "within":
                adapted.save_pretrained(folder / "adapter")
            logits = adapted(input_ids=own).logits
            loss = loss_of(logits, own)
            loss.backward()
            adapted_io |= {f"{text}.logits": logits.detach()[:, -LAST:], f"{text}.loss": loss.detach().reshape(1)}
            for key, value in factors.items():
                adapted_io[f"{text}.grad.{key.replace('.default', '')}"] = value.grad
            with torch.no_grad():
                adapted_io[f"{text}.logits_merged"] = adapted.merge_and_unload()(input_ids=own).logits[:, -LAST:]
        (folder / "adapter" / "README.md").unlink()
        save_file({key: value.contiguous() for key, value in adapted_io.items()}, folder / "adapter_io.safetensors")
        print(name, [float(io[f"{text}.loss"]) for text in ids], min(margins), sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))
        if fused:
            as_gguf(saved, weights)
    partial()


def as_gguf(config, weights):
    """The Phi-3 as llama.cpp's converter writes it (conversion/phi.py of its sources), in float32 and without a tokenizer."""
    rope = config["rope_parameters"]
    architecture = gguf.MODEL_ARCH.PHI3
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    writer = gguf.GGUFWriter(OUT.parents[1] / "gguf" / "phi3-longrope.gguf", gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(int(rope["partial_rotary_factor"] * config["hidden_size"]) // config["num_attention_heads"])
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
    writer.add_sliding_window(0)
    scale = LONGEST / ORIGINAL
    writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(scale) / math.log(ORIGINAL)))
    for key, value in weights.items():
        writer.add_tensor(names.get_name(key, try_suffixes=(".weight",)), value.numpy())
    writer.add_tensor("rope_factors_long.weight", np.array(LONG, np.float32))
    writer.add_tensor("rope_factors_short.weight", np.array(SHORT, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def partial():
    generator = torch.Generator().manual_seed(200)
    rope = dict(rope_type="default", rope_theta=200.0, partial_rotary_factor=0.5)
    options = dict(rms_norm_eps=1e-6, max_position_embeddings=LONGEST, rope_parameters=rope)
    fused = randomized(Phi3ForCausalLM, Phi3Config, options, generator)
    model = built(Phi3ForCausalLM, Phi3Config, options, fused)
    split = {}
    for key, value in fused.items():
        if "qkv_proj" in key:
            for part, rows in zip(("q_proj", "k_proj", "v_proj"), value.split([16, 8, 8])):
                split[key.replace("qkv_proj", part)] = rows.contiguous()
        elif "gate_up_proj" in key:
            for part, rows in zip(("gate_proj", "up_proj"), value.chunk(2)):
                split[key.replace("gate_up_proj", part)] = rows.contiguous()
        else:
            split[key] = value
    folder = OUT / "llama-partial"
    folder.mkdir()
    save_file(split, folder / "model.safetensors")
    config = LlamaConfig(**(SIZES | options)).to_dict()
    config["architectures"] = ["LlamaForCausalLM"]
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=str) + "\n")
    own = texts(generator)["beyond"]
    with torch.no_grad():
        logits = model(input_ids=own).logits
    save_file({"beyond.input_ids": own.int(), "beyond.logits": logits.contiguous(), "beyond.loss": loss_of(logits, own).reshape(1)},
              folder / "io.safetensors")


main()
