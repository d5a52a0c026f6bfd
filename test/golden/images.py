"""Writes test/golden/images: small image files, and what Pillow and Hugging Face transformers make of them.

    pip install 'pillow<13' numpy transformers
    python test/golden/images.py

Pillow 13 filters tall images in the other order, rows first, where that is less work; all published results are
older, so theirs is the order here. The two differ by one step of 255 when a photograph shrinks.

`expected.json` holds for each file the CRC-32 of its RGB pixels (`Image.open(...).convert("RGB")`), turned upright
by its EXIF orientation where the case says so, the CRC-32 of the pixels that CLIPImageProcessor resizes and cuts out
at some sizes, and, for one small size, its pixel values. transformers 5 puts transparent images on a white ground
before anything else; the processor is handed the RGB image here, as it made it itself before.
"""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
import transformers
from PIL import Image, ImageCms, ImageOps
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

HERE = Path(__file__).parent / "images"
SIZES = [8, 33, 224]
VALUES_SIZE = 8
random = np.random.default_rng(5)


def picture(width, height):
    """Waves with noise: edges, flat parts, and colours up to both ends."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        128 + 150 * np.sin(x / 5 + y / 9),
        128 + 120 * np.cos(x / 4 - y / 3),
        128 + 130 * np.sin((x * y) / 90),
    ]
    values = np.stack(waves, -1) + random.normal(0, 10, (height, width, 3))
    return values.clip(0, 255).astype(np.uint8)


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def filtered(rows, back):
    """Rows of bytes with the five PNG filters in turn."""
    out = bytearray()
    before = bytes(len(rows[0]))
    for number, row in enumerate(rows):
        kind = number % 5
        out.append(kind)
        for i, value in enumerate(row):
            a = row[i - back] if i >= back else 0
            b, c = before[i], before[i - back] if i >= back else 0
            out.append((value - [0, a, b, (a + b) // 2, paeth(a, b, c)][kind]) & 255)
        before = row
    return bytes(out)


def packed(samples, depth):
    """Rows of bytes of samples [height, width, channels] of `depth` bits."""
    rows = []
    for row in samples.reshape(samples.shape[0], -1):
        if depth == 16:
            rows.append(row.astype(">u2").tobytes())
            continue
        bits = "".join(format(int(value), f"0{depth}b") for value in row)
        bits += "0" * (-len(bits) % 8)
        rows.append(bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)))
    return rows


def chunk(name, content):
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(name, samples, depth, colour, interlaced=False, extra=()):
    """Any form of PNG; Pillow does not write all that it reads."""
    height, width, channels = samples.shape
    back = max(1, depth * channels // 8)
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    data = b""
    for left, top, right, down in passes:
        part = samples[top::down, left::right]
        if part.size > 0:
            data += filtered(packed(part, depth), back)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    content += b"".join(chunk(*each) for each in extra)
    half = len(zlib.compress(data)) // 2
    compressed = zlib.compress(data)
    content += chunk(b"IDAT", compressed[:half]) + chunk(b"IDAT", compressed[half:]) + chunk(b"IEND", b"")
    (HERE / name).write_bytes(content)


def swapped_profile():
    """sRGB with red and green exchanged: whoever applies it changes every colour."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack(">I", profile[128:132])
    places = {}
    for i in range(count):
        at = 132 + 12 * i
        tag, offset, _ = struct.unpack(">4sII", profile[at : at + 12])
        places[tag] = (at + 4, offset)
    (red, red_offset), (green, green_offset) = places[b"rXYZ"], places[b"gXYZ"]
    struct.pack_into(">I", profile, red, green_offset)
    struct.pack_into(">I", profile, green, red_offset)
    return bytes(profile)


def write_inputs():
    photo = Image.fromarray(picture(61, 43))
    tall = Image.fromarray(picture(19, 47))
    profile = swapped_profile()
    orientation = Image.Exif()
    orientation[0x0112] = 6
    photo.save(HERE / "photo.jpg", quality=90)
    photo.save(HERE / "chroma-444.jpg", quality=75, subsampling=0)
    tall.save(HERE / "chroma-422.jpg", quality=85, subsampling=1)
    photo.save(HERE / "progressive.jpg", quality=80, progressive=True)
    photo.convert("L").save(HERE / "grey.jpg", quality=85)
    photo.convert("CMYK").save(HERE / "cmyk.jpg", quality=90)
    photo.save(HERE / "profile.jpg", quality=90, icc_profile=profile)
    for number in range(2, 9):
        orientation[0x0112] = number
        tall.save(HERE / f"orientation-{number}.jpg", quality=80, exif=orientation)
    photo.save(HERE / "lossy.webp", quality=80)
    photo.save(HERE / "lossless.webp", lossless=True, icc_profile=profile)
    alpha = random.integers(0, 256, (43, 61, 1), dtype=np.uint8)
    alpha[:10] = 0
    transparent = Image.fromarray(np.concatenate([np.asarray(photo), alpha], -1))
    transparent.save(HERE / "transparent.webp", quality=80, exact=True)
    transparent.save(HERE / "transparent.png")
    photo.save(HERE / "profile.png", icc_profile=profile)
    orientation[0x0112] = 8
    photo.save(HERE / "orientation.png", exif=orientation)
    tall.save(HERE / "colour.ppm")
    tall.convert("L").save(HERE / "grey.pgm")
    Image.fromarray(picture(5, 3)).save(HERE / "tiny.png")
    Image.fromarray(picture(224, 224)).save(HERE / "fitting.jpg", quality=60)
    Image.fromarray(picture(401, 97)).save(HERE / "wide.jpg", quality=40)

    colours = (b"PLTE", random.integers(0, 256, 768, dtype=np.uint8).tobytes())
    clear = (b"tRNS", bytes(range(16)))
    for interlaced in (False, True):
        suffix = "-interlaced" if interlaced else ""
        for depth in (1, 2, 4, 8, 16):
            samples = random.integers(0, 1 << depth, (11, 13, 1))
            if depth == 16:
                samples[:6] //= 300
            png(f"grey-{depth}{suffix}.png", samples, depth, 0, interlaced)
            if depth < 16:
                extra = (colours, clear) if depth >= 4 else (colours,)
                png(f"palette-{depth}{suffix}.png", samples, depth, 3, interlaced, extra)
        for depth in (8, 16):
            for colour, channels in ((2, 3), (4, 2), (6, 4)):
                samples = random.integers(0, 1 << depth, (11, 13, channels))
                png(f"type{colour}-{depth}{suffix}.png", samples, depth, colour, interlaced)


def checksum(array):
    return zlib.crc32(np.ascontiguousarray(array, dtype=np.uint8).tobytes())


def expected(path):
    stored = Image.open(path)
    image = stored.convert("RGB")
    upright = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    prepared = {}
    for size in SIZES:
        for name, settings in {"bicubic": 3, "bilinear": 2}.items():
            processor = CLIPImageProcessorPil(
                size={"shortest_edge": size + (size // 7)},
                crop_size={"height": size, "width": size},
                resample=settings,
                do_convert_rgb=False,
                do_rescale=False,
                do_normalize=False,
            )
            pixels = processor(image, return_tensors="np")["pixel_values"][0]
            prepared[f"{name}/{size}"] = checksum(np.moveaxis(pixels, 0, -1))
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": VALUES_SIZE}, crop_size={"height": VALUES_SIZE, "width": VALUES_SIZE}
    )
    values = processor(image, return_tensors="np")["pixel_values"][0]
    return {
        "mode": stored.mode,
        "width": image.width,
        "height": image.height,
        "rgb": checksum(np.asarray(image)),
        "upright": checksum(np.asarray(upright)),
        "prepared": prepared,
        "values": [round(float(value), 6) for value in values.ravel()],
    }


def main():
    HERE.mkdir(exist_ok=True)
    for old in HERE.iterdir():
        old.unlink()
    write_inputs()
    files = sorted(path for path in HERE.iterdir())
    versions = {"pillow": PIL.__version__, "transformers": transformers.__version__}
    record = {"versions": versions, "files": {path.name: expected(path) for path in files}}
    (HERE / "expected.json").write_text(json.dumps(record) + "\n")


main()
