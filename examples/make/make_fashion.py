#!/usr/bin/env python3
"""Cut images of clothes out of Fashion-MNIST, as Parquet files with the bytes of a PNG in each row.

    apt-get download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb fashion      # 0.0~git20200523, MIT
    python make_fashion.py --source fashion/usr/share/datasets/fashion-mnist --out ../data/fashion
    python make_fashion.py --source fashion/usr/share/datasets/fashion-mnist --out whole --whole   # 60,000 and 10,000 rows

A row is {"image": {"bytes": …, "path": "train-17.png"}, "label": "Sandal"}: 28×28 grey pixels, named after the file and the place in it.
The subset has as many rows of each class; rows to train on and to validate are of Fashion-MNIST's training images, rows to test of its test
images. Which rows they are depends on --seed only. Needs Pillow and pyarrow.
"""
import argparse, gzip, io, random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

SIDE = 28
# in the order of the labels 0 to 9: README of https://github.com/zalandoresearch/fashion-mnist
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


def read(source, name):
    """images as bytes and their classes; the headers of the two files are 16 and 8 bytes long"""
    pixels = gzip.open(source / f"{name}-images-idx3-ubyte.gz").read()[16:]
    labels = gzip.open(source / f"{name}-labels-idx1-ubyte.gz").read()[8:]
    return [(f"{name}-{i}.png", pixels[i * SIDE**2 : (i + 1) * SIDE**2], label) for i, label in enumerate(labels)]


def balanced(rows, count, chance):
    """`count` rows, as many of each class, in an order at random; and the rest"""
    rows = chance.sample(rows, len(rows))
    kept = [row for of in range(len(CLASSES)) for row in [row for row in rows if row[2] == of][: count // len(CLASSES)]]
    names = {name for name, _, _ in kept}
    return chance.sample(kept, len(kept)), [row for row in rows if row[0] not in names]


def png(pixels):
    out = io.BytesIO()
    Image.frombytes("L", (SIDE, SIDE), pixels).save(out, "PNG", optimize=True)
    return out.getvalue()


def write(file, rows):
    images = [{"bytes": png(pixels), "path": name} for name, pixels, _ in rows]
    table = pa.table({"image": images, "label": [CLASSES[label] for _, _, label in rows]})
    pq.write_table(table, file, compression="none", row_group_size=1000, store_schema=False)
    print(f"{file}: {len(rows)} rows, {file.stat().st_size} bytes")


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--source", type=Path, required=True)
    ap.add_argument("--out", type=Path, required=True)
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--train", type=int, default=1000)
    ap.add_argument("--validation", type=int, default=200)
    ap.add_argument("--test", type=int, default=1000)
    ap.add_argument("--whole", action="store_true", help="all rows, in their order; validation is a share of the plan then")
    given = ap.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    train, test = read(given.source, "train"), read(given.source, "t10k")
    splits = {"train": train, "test": test}
    if not given.whole:
        chance = random.Random(given.seed)
        kept, rest = balanced(train, given.train, chance)
        splits = {"train": kept, "validation": balanced(rest, given.validation, chance)[0], "test": balanced(test, given.test, chance)[0]}
    for name, rows in splits.items():
        write(given.out / f"{name}.parquet", rows)


main()
