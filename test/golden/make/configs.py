"""The paper's models, and others, by their config.json alone: what PEFT adapts of each, and how many numbers it trains.

    python test/golden/make/configs.py test/golden/configs

No weight is made: the models are on torch's "meta" device. transformers' config classes write the config.json files, with the sizes of the
checkpoints that the folders are called by; `peft.json` beside each has the layers with their shapes, and the trainable numbers of LoRA, DoRA
and AdaLoRA with r = 8; CLIP's `peft-both.json` of its two towers.
"""

import json
import sys
from pathlib import Path

import torch
from peft import AdaLoraConfig, LoraConfig, get_peft_model
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    LlamaConfig,
    LlamaForCausalLM,
    RobertaConfig,
    RobertaModel,
    T5Config,
    T5ForConditionalGeneration,
    ViTConfig,
    ViTForImageClassification,
)

T5 = r".*\.(q|k|v|o|wi|wi_0|wi_1|wo)"
ENCODER = r"encoder\..*\.(query|key|value|dense)"
VIT = r"vit\.layers\..*\.(q_proj|k_proj|v_proj|o_proj|fc1|fc2)"
TOWER = r"\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"

def t5(tied=True, **sizes):
    config = T5Config(decoder_start_token_id=0, tie_word_embeddings=tied, **sizes)
    # transformers 5 says that every T5 is tied; the checkpoints' own files say what is
    config.tie_word_embeddings = tied
    return config


GATED = dict(feed_forward_proj="gated-gelu", tied=False)
MODELS = {
    "t5-base": (
        T5ForConditionalGeneration,
        t5(d_model=768, d_ff=3072, num_layers=12, num_heads=12),
        T5,
    ),
    "t5-v1_1-large": (
        T5ForConditionalGeneration,
        t5(d_model=1024, d_ff=2816, num_layers=24, num_heads=16, **GATED),
        T5,
    ),
    "flan-t5-base": (
        T5ForConditionalGeneration,
        t5(d_model=768, d_ff=2048, num_layers=12, num_heads=12, **GATED),
        T5,
    ),
    "llama-2-7b": (
        LlamaForCausalLM,
        LlamaConfig(max_position_embeddings=4096, rms_norm_eps=1e-5),
        r".*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)",
    ),
    "clip-vit-base-patch16": (
        CLIPModel,
        CLIPConfig(vision_config=dict(patch_size=16)),
        rf"vision_model{TOWER}",
        rf"(vision|text)_model{TOWER}",
    ),
    "vit-base-patch16-224": (ViTForImageClassification, ViTConfig(), VIT),
    "bert-base": (BertModel, BertConfig(id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1}), ENCODER),
    "roberta-large": (
        RobertaModel,
        RobertaConfig(
            hidden_size=1024,
            num_hidden_layers=24,
            num_attention_heads=16,
            intermediate_size=4096,
            vocab_size=50265,
            max_position_embeddings=514,
            type_vocab_size=1,
            layer_norm_eps=1e-5,
        ),
        ENCODER,
    ),
}

# copies of "shared", which transformers makes where the output layer is not tied; and a head, whose size the labels decide
LEFT_OUT = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "classifier.weight", "classifier.bias"}

METHODS = {
    "lora": lambda targets: LoraConfig(r=8, lora_alpha=16, target_modules=targets),
    "dora": lambda targets: LoraConfig(r=8, lora_alpha=16, target_modules=targets, use_dora=True),
    "adalora": lambda targets: AdaLoraConfig(init_r=8, target_r=4, lora_alpha=16, target_modules=targets, total_step=100),
}


def made(model_class, config):
    with torch.device("meta"):
        return model_class(config)


def main(folder: Path):
    for folder_name, (model_class, config, *all_targets) in MODELS.items():
        own = folder / folder_name
        own.mkdir(parents=True, exist_ok=True)
        config.architectures = [model_class.__name__]
        config.save_pretrained(own)
        for file, targets in zip(["peft.json", "peft-both.json"], all_targets):
            write(own / file, model_class, config, targets)


def write(file, model_class, config, targets):
    base = made(model_class, config)
    parameters = sum(tensor.numel() for name, tensor in base.named_parameters() if name not in LEFT_OUT)
    trainable = {}
    for method, options in METHODS.items():
        with torch.device("meta"):
            adapted = get_peft_model(made(model_class, config), options(targets))
        trainable[method] = adapted.get_nb_trainable_parameters()[0]
        names = sorted(adapted.targeted_module_names)
    modules = dict(base.named_modules())
    shapes = ",\n".join(f"{json.dumps(site)}: {list(modules[site].weight.shape)}" for site in names)
    facts = f'"parameters": {parameters},\n"trainable": {json.dumps(trainable)}'
    file.write_text(f'{{{facts},\n"layers": {{\n{shapes}\n}}}}\n')
    print(file, parameters, trainable, len(names))


main(Path(sys.argv[1]))
