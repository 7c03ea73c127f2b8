"""Buckets of relative positions by transformers: where they change, for distances from -2000 to 2000.

    python seq2seq_positions.py > ../seq2seq/buckets.json

torch 2.13.0 (CPU), transformers 5.24.0. In the last two float32 puts a distance on a border of two ranges elsewhere than
float64 does. `changes`: [first distance, its bucket and that of all up to the next].
"""
import json
import sys

import torch
from transformers.models.t5.modeling_t5 import T5Attention

FAR = 2000
cases = []
for count, largest in [(32, 128), (64, 256), (32, 1000), (8, 20), (72, 100), (36, 32)]:
    for both in [True, False]:
        distances = torch.arange(-FAR, FAR + 1)
        buckets = T5Attention._relative_position_bucket(distances, both, count, largest).tolist()
        changes = [[d - FAR, b] for d, b in enumerate(buckets) if d == 0 or b != buckets[d - 1]]
        cases.append({"count": count, "maxDistance": largest, "bothWays": both, "changes": changes})
json.dump(cases, sys.stdout)
