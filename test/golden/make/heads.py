"""Losses and gradients of heads over models/bert: pairs of texts with token types, squared error and binary cross-entropy, in PyTorch.

Run in this folder with torch, transformers, safetensors, scipy, scikit-learn (made with 2.13.0, 5.24.0): python heads.py
"""
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy import stats
from sklearn import metrics
from transformers import BertForSequenceClassification

FOLDER = Path(__file__).parent.parent
SITES = ["encoder.layer.0.attention.self.query", "encoder.layer.1.output.dense"]


def batch(generator):
    """Four pairs of texts of different lengths: [CLS] A [SEP] B [SEP], types 0 and 1, padded."""
    lengths = [(3, 5), (7, 2), (1, 9), (4, 4)]
    most = max(a + b + 3 for a, b in lengths)
    ids, types, mask = (torch.zeros(4, most, dtype=torch.int64) for _ in range(3))
    for row, (a, b) in enumerate(lengths):
        own = torch.randint(5, 120, (a + b + 3,), generator=generator)
        ids[row, : len(own)] = own
        types[row, a + 2 : len(own)] = 1
        mask[row, : len(own)] = 1
    return ids, types, mask


def main():
    generator = torch.Generator().manual_seed(17)
    ids, types, mask = batch(generator)
    tensors = {"input_ids": ids.int(), "token_type_ids": types.int(), "attention_mask": mask.int()}
    weight = 0.3 * torch.randn(3, 32, generator=generator)
    bias = 0.1 * torch.randn(3, generator=generator)
    numbers = torch.randn(4, 3, generator=generator)
    labels = (torch.rand(4, 3, generator=generator) < 0.5).float()
    classes = torch.tensor([2, 0, 1, 2])
    tensors |= {"head.weight": weight, "head.bias": bias, "numbers": numbers, "labels": labels, "classes": classes.int()}
    losses = {
        "classification": lambda z: torch.nn.CrossEntropyLoss()(z, classes),
        "regression": lambda z: torch.nn.MSELoss()(z, numbers),
        "multi-label": lambda z: torch.nn.BCEWithLogitsLoss()(z, labels),
    }
    for kind, loss_of in losses.items():
        model = BertForSequenceClassification.from_pretrained(FOLDER / "models" / "bert", dtype=torch.float32).bert.eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        trained = {f"{site}.weight": model.get_parameter(f"{site}.weight").requires_grad_(True) for site in SITES}
        trained |= {"head.weight": weight.clone().requires_grad_(True), "head.bias": bias.clone().requires_grad_(True)}
        hidden = model(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state
        pooled = (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
        logits = pooled @ trained["head.weight"].T + trained["head.bias"]
        loss = loss_of(logits)
        loss.backward()
        tensors |= {"logits": logits.detach(), f"{kind}.loss": loss.detach().reshape(1)}
        tensors |= {f"{kind}.grad.{name}": value.grad for name, value in trained.items()}
    (FOLDER / "training" / "heads").mkdir(exist_ok=True)
    save_file({name: value.contiguous() for name, value in tensors.items()}, str(FOLDER / "training" / "heads" / "io.safetensors"))
    (FOLDER / "training" / "heads" / "scores.json").write_text(json.dumps(scores(), separators=(",", ":")) + "\n")


def scores():
    """What scipy and scikit-learn say of predictions with ties, and of decisions about labels."""
    chance = np.random.default_rng(17)
    right = np.round(chance.normal(size=(40, 2)) * [1, 10] + [3, -5], 1)
    predicted = np.round(right + chance.normal(size=(40, 2)) * [0.8, 9], 1)
    columns = range(2)
    numbers = {
        "predicted": predicted.tolist(), "right": right.tolist(),
        "mse": metrics.mean_squared_error(right, predicted), "mae": metrics.mean_absolute_error(right, predicted), "r2": metrics.r2_score(right, predicted),
        "pearson": float(np.mean([stats.pearsonr(predicted[:, i], right[:, i])[0] for i in columns])),
        "spearman": float(np.mean([stats.spearmanr(predicted[:, i], right[:, i])[0] for i in columns])),
    }
    targets = (chance.random((40, 4)) < [0.5, 0.2, 0.7, 0]).astype(int)
    logits = np.round(chance.normal(size=(40, 4)) * 2 + targets, 2).astype(np.float32)
    thresholds = [0.5, 0.3, 0.8, 0.999]
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    given = (probabilities >= thresholds).astype(int)
    best = []
    for i in range(4):
        candidates = [metrics.f1_score(targets[:, i], (probabilities[:, i] >= p).astype(int), zero_division=0) for p in probabilities[:, i]]
        best.append(max(candidates))
    decisions = {
        "logits": logits.tolist(), "targets": targets.tolist(), "thresholds": thresholds,
        "microF1": metrics.f1_score(targets, given, average="micro", zero_division=0), "macroF1": metrics.f1_score(targets, given, average="macro", zero_division=0),
        "exactMatch": metrics.accuracy_score(targets, given),
        "loss": float(torch.nn.BCEWithLogitsLoss()(torch.tensor(logits).double(), torch.tensor(targets).double())), "bestF1": best,
    }
    return {"numbers": numbers, "decisions": decisions}


main()
