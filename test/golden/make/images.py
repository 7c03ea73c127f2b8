"""Images of every form that is read, and what Pillow and transformers make of them.

  images/<name>.{png,jpg,webp,...}   files, a few hundred bytes to a few kilobytes each
  images/decoded.json                what Pillow decodes: size and SHA-256 of exif_transpose(image).convert("RGB"), row by row
  images/resized.json                SHA-256 of Image.resize of pixels that a formula gives (pixel() below), by filter and size
  images/processed.json              SHA-256 of the float32 numbers of transformers' PIL processors, NHWC, of a file above; of the
                                     torchvision processors the levels from 0 to 255 (base64), where they were rounded back

Run in this folder with Pillow, numpy, torch, torchvision and transformers: python images.py
"""
import base64
import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from transformers import CLIPImageProcessor, ViTImageProcessor
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

OUT = Path(__file__).parent.parent / "images"
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
ORIENTATION = 0x0112


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def pixel(count, seed):
    """Bytes that look like noise, a quarter of them black or white: the same formula is in the tests."""
    i = (np.arange(count, dtype=np.uint64) + np.uint64(seed)) * np.uint64(2654435761) & np.uint64(0xFFFFFFFF)
    i = (i ^ (i >> np.uint64(15))) * np.uint64(2246822519) & np.uint64(0xFFFFFFFF)
    byte = (i >> np.uint64(24)).astype(np.uint8)
    byte[i % np.uint64(8) == 0] = 0
    byte[i % np.uint64(8) == 1] = 255
    return byte


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, color, rows, *extra, interlace=0):
    """A PNG file that Pillow does not write: `extra` are its chunks between IHDR and IDAT."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def passes(array):
    """Rows of an interlaced image (Adam7)."""
    for x, y, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for row in array[y::down, x::across]:
            if row.size:
                yield row.tobytes()


def files():
    y, x = np.mgrid[0:13, 0:21]
    rgb = np.stack([x * 11 % 256, y * 17 % 256, x * y % 256], -1).astype(np.uint8)
    grey = ((x * 9 + y * 5) % 256).astype(np.uint8)
    alpha = ((x + y) * 7 % 256).astype(np.uint8)
    rgba = Image.fromarray(np.dstack([rgb, alpha]))
    color = Image.fromarray(rgb)

    def save(name, image, **options):
        image.save(OUT / name, **options)

    def rows(bits, count=13, width=21):
        return list(pixel(count * ((width * bits + 7) // 8), bits).reshape(count, -1))

    def write(name, *arguments, **options):
        (OUT / name).write_bytes(png(21, 13, *arguments, **options))

    save("rgb.png", color)
    save("rgba.png", rgba)
    save("grey.png", Image.fromarray(grey))
    save("grey-alpha.png", Image.fromarray(np.dstack([grey, alpha]), "LA"))
    save("one-bit.png", Image.fromarray(grey).convert("1"))
    save("palette.png", color.quantize(60))
    save("palette-alpha.png", color.quantize(60), transparency=bytes(range(60)))
    save("rgb-one-clear.png", color, transparency=(0, 0, 0))
    save("grey-one-clear.png", Image.fromarray(grey), transparency=5)
    for depth in (2, 4):
        write(f"grey-{depth}.png", depth, 0, [row.tobytes() for row in rows(depth)])
    for depth in (1, 2, 4):
        palette = chunk(b"PLTE", pixel(3 << depth, 50).tobytes())
        write(f"palette-{depth}.png", depth, 3, [row.tobytes() for row in rows(depth)], palette, chunk(b"tRNS", b"\x07"))
    write("rgb-16.png", 16, 2, [row.tobytes() for row in rows(48)])
    write("rgba-16.png", 16, 6, [row.tobytes() for row in rows(64)])
    write("grey-alpha-16.png", 16, 4, [row.tobytes() for row in rows(32)])
    write("grey-16.png", 16, 0, [row.tobytes() for row in rows(16)])
    write("gamma.png", 8, 0, [row.tobytes() for row in rows(8)], chunk(b"gAMA", struct.pack(">I", 100000)))
    write("interlaced.png", 8, 2, passes(rgb), interlace=1)
    write("interlaced-grey.png", 8, 0, passes(grey), interlace=1)

    noise = pixel(5 * 7 * 3, 1).reshape(5, 7, 3)
    smooth = np.asarray(Image.fromarray(noise).resize((67, 45), 3)).astype(int)
    photo = Image.fromarray(np.clip(smooth + pixel(67 * 45 * 3, 2).reshape(45, 67, 3) % 31 - 15, 0, 255).astype(np.uint8))
    save("photo.png", photo)
    for subsampling, name in enumerate(("444", "422", "420")):
        save(f"photo-{name}.jpg", photo, quality=80, subsampling=subsampling)
    save("photo-progressive.jpg", photo, quality=60, progressive=True)
    save("photo-grey.jpg", photo.convert("L"), quality=75)
    save("photo-restarts.jpg", photo, quality=75, restart_marker_blocks=2)
    save("photo-rgb.jpg", photo, quality=85, keep_rgb=True)
    save("photo-coarse.jpg", photo, quality=5)
    save("photo-cmyk.jpg", photo.convert("CMYK"))
    save("one-pixel.jpg", photo.crop((0, 0, 1, 1)))
    save("photo.webp", photo, quality=70)
    save("rgb.webp", color, lossless=True)
    save("rgba.webp", rgba, lossless=True, exact=True)
    save("rgba-lossy.webp", rgba, quality=50)
    save("animated.webp", color, save_all=True, append_images=[color.transpose(0)], lossless=True)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        save(f"turned-{orientation}.jpg", photo.crop((0, 0, 21, 13)), exif=exif, quality=90)
        save(f"turned-{orientation}.png", color, exif=exif)
        save(f"turned-{orientation}.webp", color, exif=exif, lossless=True)
    for other in ("gif", "bmp", "tiff", "avif"):
        save(f"other.{other}", color)


def decoded():
    found = {}
    for path in sorted(OUT.glob("*.*")):
        if path.suffix in (".png", ".jpg", ".webp"):
            image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
            found[path.name] = {"width": image.width, "height": image.height, "sha256": digest(np.asarray(image))}
    return found


def resized():
    sizes = [(1, 1, 5, 3), (7, 5, 3, 9), (64, 48, 17, 33), (33, 71, 80, 71), (50, 40, 50, 13), (100, 3, 7, 3), (5, 200, 4, 2),
             (31, 29, 62, 58), (120, 80, 56, 56), (56, 56, 13, 99), (2, 2, 1, 1), (40, 90, 20, 30), (90, 40, 30, 20), (500, 9, 17, 9)]
    cases = []
    for width, height, to_width, to_height in sizes:
        for channels in (1, 3):
            data = pixel(width * height * channels, width).reshape(height, width, channels)
            image = Image.fromarray(data if channels == 3 else data[:, :, 0])
            cases.append({"width": width, "height": height, "channels": channels, "toWidth": to_width, "toHeight": to_height,
                          "sha256": {name: digest(np.asarray(image.resize((to_width, to_height), number))) for name, number in FILTERS.items()}})
    return cases


def processed():
    processors = [
        (ViTImageProcessorPil(size={"height": 32, "width": 32}), ViTImageProcessor),
        (ViTImageProcessorPil(size={"height": 30, "width": 41}, resample=3, do_normalize=False), ViTImageProcessor),
        (CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32), CLIPImageProcessor),
        (CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size={"height": 33, "width": 28}), None),
        (CLIPImageProcessorPil(do_resize=False, crop_size=40), None),
        (CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=32, do_rescale=False, resample=0), None),
    ]
    cases = []
    for slow, fast in processors:
        config = json.loads(slow.to_json_string())
        for name in ("photo.png", "rgb.png", "turned-6.png"):
            image = ImageOps.exif_transpose(Image.open(OUT / name)).convert("RGB")
            numbers = slow(image, return_tensors="np")["pixel_values"][0].transpose(1, 2, 0).astype(np.float32)
            case = {"config": config, "file": name, "shape": numbers.shape, "sha256": digest(numbers)}
            if fast is not None:
                # what is padded by an odd number of pixels is padded on the other side
                other = fast.from_dict(config)(image, return_tensors="pt")["pixel_values"][0].numpy().transpose(1, 2, 0)
                mean, deviation = (config["image_mean"], config["image_std"]) if config["do_normalize"] else (0, 1)
                levels = (other * np.array(deviation) + np.array(mean)) * 255
                assert np.abs(levels - levels.round()).max() < 1e-3
                case["fast"] = base64.b64encode(levels.round().astype(np.uint8).tobytes()).decode()
            cases.append(case)
    return cases


OUT.mkdir(exist_ok=True)
files()
for name, made in (("decoded", decoded()), ("resized", resized()), ("processed", processed())):
    (OUT / f"{name}.json").write_text(json.dumps(made, separators=(",", ":")) + "\n")
