"""Images per second, and milliseconds of processor time an image, with Pillow and NumPy on one thread, as transformers' processor of CLIP does it: FOLDER ENDING EDGE IMAGES."""
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

folder, ending, edge, images = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
files = sorted(Path(folder).glob(f"*.{ending}"))
mean = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
deviation = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def numbers(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    width, height = image.size
    size = (edge, int(edge * height / width)) if width <= height else (int(edge * width / height), edge)
    image = image.resize(size, Image.BICUBIC)
    left, top = (size[0] - edge) // 2, (size[1] - edge) // 2
    image = image.crop((left, top, left + edge, top + edge))
    return (np.asarray(image, np.float32) * np.float32(1 / 255) - mean) / deviation


for index in range(32):
    numbers(files[index % len(files)])
began, cpu = time.perf_counter(), time.process_time()
for index in range(images):
    numbers(files[index % len(files)])
print(f"{images / (time.perf_counter() - began):.0f} | {(time.process_time() - cpu) / images * 1000:.2f}")
