"""The default run as a PyTorch user would write it, for the whole-run bench: python default_torch.py --threads 2 --out DIR

What `bun run train` does without a plan (examples/plans/movies-lora-pro-full.json, which is read for its numbers): load MiniLM and the
movies, look at the test rows, take the steps, evaluate validation and test, save the adapter. PEFT has no LoRA-Pro, so the
optimizer is AdamW on LoRA factors, which is less work. Evaluation batches are sorted by length and run in inference mode; the steps
take rows from pools sorted by length, as ours do. Prints one JSON line: seconds of each part, the scores, and peak memory.
"""
import time
began = time.perf_counter()
import argparse, json, os, resource

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--device", default="cpu")
parser.add_argument("--evaluate-batch", type=int, default=64)
parser.add_argument("--out", required=True)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)
os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModel, AutoTokenizer, get_linear_schedule_with_warmup

parts, last = {}, began
def part(name):
    global last
    now = time.perf_counter()
    parts[name] = parts.get(name, 0) + now - last
    last = now
part("start-up")

examples = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples")
plans = os.path.join(examples, "plans")
with open(os.path.join(plans, "movies-lora-pro-full.json")) as file:
    plan = json.load(file)
data, training = plan["data"], plan["training"]
torch.set_num_threads(options.threads)
torch.manual_seed(plan["seed"])
folder = os.path.join(plans, plan["model"]["source"])
base = AutoModel.from_pretrained(
    folder, dtype=torch.float32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, add_pooling_layer=False
)
tokenizer = AutoTokenizer.from_pretrained(folder)
rank, alpha = plan["adapter"]["rank"], plan["adapter"]["alpha"]
lora = LoraConfig(r=rank, lora_alpha=alpha, target_modules=["query", "key", "value", "dense"])
model = get_peft_model(base, lora).to(options.device)
head = torch.nn.Linear(base.config.hidden_size, 2).to(options.device)

def split(name):
    with open(os.path.join(plans, data[name])) as file:
        rows = [json.loads(line) for line in file]
    encoded = tokenizer([row["text"] for row in rows], truncation=True, max_length=data["maxLength"])["input_ids"]
    return encoded, [row["label"] for row in rows]

splits = {name: split(name) for name in ["train", "validation", "test"]}
classes = sorted(set(splits["train"][1]))

def batch_of(name, rows):
    ids, labels = splits[name]
    padded = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt").to(options.device)
    return padded, torch.tensor([classes.index(labels[row]) for row in rows], device=options.device)

def logits_of(batch):
    hidden = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1).to(hidden.dtype)
    return head((hidden * mask).sum(1) / mask.sum(1))

@torch.inference_mode()
def evaluate(name, count=None):
    model.eval()
    ids = splits[name][0]
    order = sorted(range(len(ids) if count is None else min(count, len(ids))), key=lambda row: len(ids[row]))
    loss, confusion = 0.0, torch.zeros(len(classes), len(classes))
    for start in range(0, len(order), options.evaluate_batch):
        batch, labels = batch_of(name, order[start:start + options.evaluate_batch])
        logits = logits_of(batch)
        loss += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        confusion.index_put_((labels.cpu(), logits.argmax(1).cpu()), torch.ones(len(labels)), accumulate=True)
    f1 = 2 * confusion.diag() / (confusion.sum(0) + confusion.sum(1))
    model.train()
    return {"loss": loss / len(order), "accuracy": (confusion.diag().sum() / len(order)).item(), "macroF1": f1.mean().item()}

def training_batches():
    size, pool = training["batchSize"], training["batchSize"] * data["bucketPool"]
    while True:
        order = torch.randperm(len(splits["train"][0])).tolist()
        for start in range(0, len(order), pool):
            rows = sorted(order[start:start + pool], key=lambda row: len(splits["train"][0][row]))
            batches = [rows[i:i + size] for i in range(0, len(rows), size)]
            for index in torch.randperm(len(batches)).tolist():
                yield batch_of("train", batches[index])
part("load")

scores = {"before": evaluate("test")}
part("evaluations")

factors = [parameter for parameter in model.parameters() if parameter.requires_grad]
optimizer = torch.optim.AdamW(
    [{"params": factors}, {"params": head.parameters(), "lr": plan["optimizer"]["headLearningRate"]}],
    lr=plan["optimizer"]["learningRate"], weight_decay=0.0
)
steps = training["steps"]
schedule = get_linear_schedule_with_warmup(optimizer, round(steps * plan["optimizer"]["schedule"]["warmup"]), steps)
for _, (batch, labels) in zip(range(steps), training_batches()):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(logits_of(batch), labels)
    loss.backward()
    optimizer.step()
    schedule.step()
    loss.item()
part("steps")

scores["validation"] = evaluate("validation")
scores["test"] = evaluate("test")
part("evaluations")

model.save_pretrained(options.out)
save_file({name: value.contiguous() for name, value in head.state_dict().items()}, os.path.join(options.out, "head.safetensors"))
part("saving")
print(json.dumps({
    "parts": parts,
    "scores": scores,
    "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
}))
