"""PyTorch's CrossEntropyLoss(weight, label_smoothing): losses and gradients, in float64 and rounded to 12 digits.

python test/golden/make/label_loss.py > test/golden/losses/label_loss.json
"""

import json

import torch

torch.manual_seed(0)
cases = []
for classes, rows, weighted, smoothing in [(2, 5, True, 0.0), (3, 7, True, 0.1), (5, 4, False, 0.2), (4, 6, True, 0.35), (3, 1, True, 0.0)]:
    logits = (3 * torch.randn(rows, classes, dtype=torch.float64)).float().double().requires_grad_()
    labels = torch.randint(classes, (rows,))
    weights = (0.2 + 3 * torch.rand(classes, dtype=torch.float64)).float().double() if weighted else None
    loss = torch.nn.CrossEntropyLoss(weight=weights, label_smoothing=smoothing)(logits, labels)
    loss.backward()
    rounded = lambda tensor: [float(f"{x:.12g}") for x in tensor.detach().flatten().tolist()]
    cases.append({
        "shape": [rows, classes],
        "logits": rounded(logits),
        "labels": labels.tolist(),
        "weights": None if weights is None else rounded(weights),
        "smoothing": smoothing,
        "loss": rounded(loss)[0],
        "gradient": rounded(logits.grad),
    })
print(json.dumps({"torch": torch.__version__, "cases": cases}))
