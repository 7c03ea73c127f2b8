"""
Losses, rewards and gradients of TRL's DPOTrainer and ORPOTrainer on one batch of pairs, over test/golden/models/llama with its PEFT adapter.

    python preference.py        writes ../preference/llama.json and ../preference/llama.safetensors

The trainers tokenize words "w3 w17 …" of a vocabulary of 128, put pairs into a batch themselves and compute their own loss; nothing of it is
written again here. The models have the adapter of `models/llama/adapter`, whose B is not 0, so that losses are not ln 2. It is put in place after
DPOTrainer is made over the base model: from then on the trainer's reference is that model with the adapter disabled. TRL 1.16.0, torch 2.13.0, peft 0.21.2, float32 on one thread.
"""
import json
import os
import tempfile
from pathlib import Path

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, set_peft_model_state_dict
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

torch.set_num_threads(1)
here = Path(__file__).resolve().parent.parent
llama = here / "models" / "llama"
target = here / "preference"
target.mkdir(exist_ok=True)

special = ["<pad>", "<s>", "</s>", "<unk>"]
vocabulary = {word: i for i, word in enumerate([*special, *(f"w{i}" for i in range(4, 128))])}
words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
names = dict(pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>")
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **names)

# prompts and answers of several lengths
pairs = [
    ("w10 w11 w12", " w20 w21 w22 w23", " w30"),
    ("w40 w41", " w50", " w60 w61 w62"),
    ("w13 w14 w15 w16 w17", " w24 w25", " w34 w35"),
]
rows = Dataset.from_list([dict(zip(("prompt", "chosen", "rejected"), pair)) for pair in pairs])

tensors, numbers = {}, {}


def base():
    return LlamaForCausalLM.from_pretrained(llama, dtype=torch.float32, attn_implementation="eager")


common = dict(
    output_dir=tempfile.mkdtemp(),
    per_device_train_batch_size=len(pairs),
    report_to=[],
    use_cpu=True,
    bf16=False,
    fp16=False,
    gradient_checkpointing=False,
    max_length=64,
    dataloader_pin_memory=False,
    disable_tqdm=True,
)


def record(name, trainer, loss, rewards):
    trainer.model.zero_grad()
    loss.backward()
    for key, value in trainer.model.named_parameters():
        if value.requires_grad:
            # as PEFT names them in a file
            stored = key.replace(".default", "").replace(".modules_to_save", "")
            tensors[f"{name}.{stored}"] = value.grad.detach().clone()
    numbers[name] = {"loss": loss.item(), **rewards}
    print(name, numbers[name])


class Ordered(DPOTrainer):
    """TRL's trainer, whose batch has the rows in their order."""

    def _get_train_sampler(self, *args, **kwargs):
        return torch.utils.data.SequentialSampler(self.train_dataset)


class OrderedOrpo(ORPOTrainer):
    def _get_train_sampler(self, *args, **kwargs):
        return torch.utils.data.SequentialSampler(self.train_dataset)


for name, beta, place in [("dpo", 0.1, "adapter"), ("dpo-strong", 2.0, "adapter"), ("dpo-head", 0.5, "adapter-head")]:
    config = DPOConfig(**common, beta=beta)
    adapter = LoraConfig.from_pretrained(llama / place)
    adapter.inference_mode = False
    trainer = Ordered(base(), args=config, train_dataset=rows, processing_class=tokenizer, peft_config=adapter)
    set_peft_model_state_dict(trainer.model, load_file(llama / place / "adapter_model.safetensors"))
    trainer.model.eval()
    batch = next(iter(trainer.get_train_dataloader()))
    loss = trainer.compute_loss(trainer.model, batch)
    metrics = {key: value[-1] for key, value in trainer._metrics["eval"].items() if "rewards" in key}
    record(name, trainer, loss, metrics)
    if name == "dpo":
        numbers["ids"] = batch["input_ids"].tolist()
        numbers["attended"] = batch["attention_mask"].tolist()
        numbers["answers"] = batch["completion_mask"].tolist()

config = ORPOConfig(**common, beta=0.1)
trainer = OrderedOrpo(PeftModel.from_pretrained(base(), llama / "adapter", is_trainable=True), args=config, train_dataset=rows, processing_class=tokenizer)
trainer.model.eval()
batch = next(iter(trainer.get_train_dataloader()))
loss, metrics = trainer.get_batch_loss_metrics(trainer.model, batch, train_eval="train")
numbers["orpo-ids"] = {side: batch[f"{side}_input_ids"].tolist() for side in ("chosen", "rejected")}
numbers["orpo-labels"] = {side: batch[f"{side}_labels"].tolist() for side in ("chosen", "rejected")}
record("orpo", trainer, loss, {key: value for key, value in metrics.items() if "rewards" in key or "loss" in key})

save_file({key: value.contiguous() for key, value in tensors.items()}, target / "llama.safetensors")
lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in numbers.items())
(target / "llama.json").write_text("{\n" + lines + "\n}\n")
