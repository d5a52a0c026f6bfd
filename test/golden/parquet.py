"""Writes test/golden/parquet: small tables as the `datasets` library and pyarrow write them.

    pip install datasets pyarrow pillow numpy
    python test/golden/parquet.py
"""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, Features, Image
from PIL import Image as Picture

HERE = Path(__file__).parent / "parquet"
NAMES = ["cat", "dog", "owl"]


def image(number, exif=None):
    """A picture whose colour says its number, of a size of its own."""
    pixels = np.full((5 + number % 3, 6, 3), (number * 10, 255 - number * 10, 7), dtype=np.uint8)
    file = io.BytesIO()
    options = {} if exif is None else {"exif": exif}
    Picture.fromarray(pixels).save(file, "PNG", **options)
    return {"bytes": file.getvalue(), "path": f"{number}.png"}


def main():
    HERE.mkdir(exist_ok=True)
    for old in HERE.iterdir():
        old.unlink()
    turned = Picture.Exif()
    turned[0x0112] = 6
    images = [image(i, turned if i == 4 else None) for i in range(7)]
    features = Features({"image": Image(), "label": ClassLabel(names=NAMES)})
    labels = [i % 3 for i in range(7)]
    whole = Dataset.from_dict({"image": images, "label": labels}, features=features)
    whole.to_parquet(HERE / "hub.parquet", batch_size=3)
    for i, part in enumerate((range(0, 4), range(4, 7))):
        whole.select(part).to_parquet(HERE / f"test-{i:05d}-of-00002.parquet")
    struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for codec in ("snappy", "zstd", "gzip", "brotli", "lz4"):
        columns = {"img": pa.array(images[:4], struct), "label": pa.array(["b", "a", "b", "a"])}
        pq.write_table(pa.table(columns), HERE / f"{codec}.parquet", compression=codec, row_group_size=2)
    pq.write_table(pa.table({"image": pa.array(images[:2], struct)}), HERE / "unlabelled.parquet")
    pq.write_table(pa.table({"bytes": pa.array([images[0]["bytes"]])}), HERE / "plain.parquet")
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), HERE / "no-images.parquet")
    empty = pa.array([{"bytes": None, "path": "elsewhere.png"}], struct)
    pq.write_table(pa.table({"image": empty, "label": [0]}), HERE / "reference.parquet")
    pq.write_table(pa.table({"image": pa.array(images[:2], struct), "label": [0, -1]}), HERE / "negative.parquet")
    pq.write_table(pa.table({"image": pa.array([], struct), "label": pa.array([], pa.int64())}), HERE / "empty.parquet")


main()
