"""Logits of language models as Hugging Face transformers and PEFT compute them, from folders alone.

Reads a JSON list of cases {base, adapter?, ids, targets?, texts?} from stdin; ids: token ids of several texts; targets: those of what is to be
written for each, by a model that reads one text and writes another. Prints a JSON list of {class, logits [texts, tokens, vocabulary], encoded:
ids of each of `texts`}, with `targets` also {loss of all their tokens, written: ids of each text}. The class is the one that the folder's config names. Fails
where a weight is missing, unexpected or misshapen, is not float32, or where PEFT adapts more or less than the adapter file holds: both
libraries only warn, and leave what they have no numbers for at random.

Needs torch, transformers, peft, safetensors. Shares nothing with the package but the files it reads.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer


def load(folder):
    name = AutoConfig.from_pretrained(folder).architectures[0]
    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    wrong = {key: sorted(map(str, info[key])) for key in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(wrong.values()):
        raise SystemExit(f"{folder}: {name} was not loaded as a whole: {wrong}")
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        raise SystemExit(f"{folder}: {name} is not float32")
    return model


def adapted(model, folder):
    from peft import PeftModel, get_peft_model_state_dict

    model = PeftModel.from_pretrained(model, folder)
    held = load_file(f"{folder}/adapter_model.safetensors")
    used = get_peft_model_state_dict(model)
    if set(held) != set(used):
        raise SystemExit(f"{folder}: only in the file {sorted(set(held) - set(used))}, only in PEFT {sorted(set(used) - set(held))}")
    for name, tensor in held.items():
        if not torch.equal(tensor, used[name]):
            raise SystemExit(f"{folder}: PEFT did not load {name}")
    return model


@torch.no_grad()
def answer(case):
    folder = case["base"]
    model = load(folder)
    name = type(model).__name__
    trained = Path(case.get("adapter", ".")) / "trained.safetensors"
    if "adapter" in case and trained.exists():
        unused = model.load_state_dict(load_file(trained), strict=False).unexpected_keys
        if unused:
            raise SystemExit(f"{trained}: {unused}")
    elif "adapter" in case:
        model = adapted(model, case["adapter"])
    model.eval()
    written = {}
    if "targets" in case:
        outputs = [model(input_ids=torch.tensor([ids]), labels=torch.tensor([target])) for ids, target in zip(case["ids"], case["targets"])]
        logits = [output.logits[0].tolist() for output in outputs]
        counted = [len(target) for target in case["targets"]]
        loss = sum(output.loss.item() * n for output, n in zip(outputs, counted)) / sum(counted)
        greedy = [model.generate(input_ids=torch.tensor([ids]), max_new_tokens=8, do_sample=False)[0] for ids in case["ids"]]
        # without the start token
        written = {"loss": loss, "written": [ids[1:].tolist() for ids in greedy]}
    else:
        logits = [model(input_ids=torch.tensor([ids])).logits[0].tolist() for ids in case["ids"]]
    encoded = []
    if case.get("texts"):
        tokenizer = AutoTokenizer.from_pretrained(folder)
        encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in case["texts"]]
    return {"class": name, "logits": logits, "encoded": encoded, **written}


if __name__ == "__main__":
    print(json.dumps([answer(case) for case in json.load(sys.stdin)]))
