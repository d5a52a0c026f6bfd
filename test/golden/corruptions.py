"""The seven corruptions by NumPy, SciPy, scikit-image, OpenCV and Pillow: fixtures of corruptions.test.ts.

    pip install numpy scipy scikit-image opencv-python-headless pillow
    python test/golden/corruptions.py

Each function follows the definition of CIFAR-10-C (Hendrycks and Dietterich 2019). Random numbers come from a linear
congruential generator, a normal one being the sum of twelve uniform ones less 6, so that the test draws the very same.
"""

import base64
import io
import json
import math
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage.filters import gaussian

SIZE = 32
FILE = Path(__file__).parent / "corruptions" / "corruptions.json"


class Noise:
    def __init__(self, seed):
        self.state = seed

    def uniforms(self, count):
        values = np.empty(count)
        for i in range(count):
            self.state = (1664525 * self.state + 1013904223) % 2**32
            values[i] = self.state / 2**32
        return values

    def normals(self, count):
        parts = self.uniforms(12 * count).reshape(count, 12)
        total = np.zeros(count)
        for j in range(12):
            total = total + parts[:, j]
        return total - 6


def picture():
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    red = 8 * x + ((x // 5 + y // 7) % 2) * 7
    green = 255 - 7 * y - (x * y) % 29
    blue = np.where((x - 15) ** 2 + (y - 17) ** 2 < 100, 220, 40 + 3 * x)
    return np.stack([red, green, blue], axis=2).clip(0, 255).astype(np.uint8)


def gaussian_noise(x, c, noise):
    x = x / 255.0
    return np.clip(x + c * noise.normals(x.size).reshape(x.shape), 0, 1) * 255


def impulse_noise(x, c, noise):
    out = x / 255.0
    flipped = noise.uniforms(x.size).reshape(x.shape) <= c
    salted = noise.uniforms(x.size).reshape(x.shape) <= 0.5
    out[flipped & salted] = 1
    out[flipped & ~salted] = 0
    return np.clip(out, 0, 1) * 255


def motion_blur(x, c, noise):
    radius, sigma = c
    angle = math.radians(-45 + 90 * noise.uniforms(1)[0])
    width = 2 * radius + 1
    kernel = np.exp(-np.arange(width) ** 2 / (2 * sigma**2))
    kernel /= kernel.sum()
    padded = np.pad(x.astype(float), ((width, width), (width, width), (0, 0)), mode="edge")
    out = np.zeros(x.shape)
    for i in range(width):
        right = math.ceil(i * math.cos(angle) - 0.5)
        down = math.ceil(i * math.sin(angle) - 0.5)
        out += kernel[i] * padded[width + down : width + down + SIZE, width + right : width + right + SIZE]
    return np.floor(out + 0.5)


def contrast(x, c, noise):
    x = x / 255.0
    means = np.mean(x, axis=(0, 1), keepdims=True)
    return np.clip((x - means) * c + means, 0, 1) * 255


def pixelate(x, c, noise):
    small = int(SIZE * c)
    return np.array(
        Image.fromarray(x).resize((small, small), Image.BOX).resize((SIZE, SIZE), Image.BOX)
    )


def jpeg_compression(x, c, noise):
    output = io.BytesIO()
    Image.fromarray(x).save(output, "JPEG", quality=c)
    return np.array(Image.open(output))


def spatter(x, c, noise):
    x = np.array(x, dtype=np.float32) / 255.0
    layer = c[0] + c[1] * noise.normals(SIZE * SIZE).reshape(SIZE, SIZE)
    layer = gaussian(layer, sigma=c[2])
    layer[layer < c[3]] = 0
    if c[5] == 0:
        layer = (layer * 255).astype(np.uint8)
        dist = 255 - cv2.Canny(layer, 50, 150)
        dist = cv2.distanceTransform(dist, cv2.DIST_L2, 5)
        _, dist = cv2.threshold(dist, 20, 20, cv2.THRESH_TRUNC)
        dist = cv2.blur(dist, (3, 3)).astype(np.uint8)
        dist = cv2.equalizeHist(dist)
        dist = cv2.filter2D(dist, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]], dtype=np.float32))
        dist = cv2.blur(dist, (3, 3)).astype(np.float32)
        m = cv2.cvtColor(layer * dist, cv2.COLOR_GRAY2BGRA)
        m /= np.max(m, axis=(0, 1))
        m *= c[4]
        colour = np.concatenate([v / 255.0 * np.ones_like(m[..., :1]) for v in (175, 238, 238)], axis=2)
        colour = cv2.cvtColor(colour, cv2.COLOR_BGR2BGRA)
        x = cv2.cvtColor(x, cv2.COLOR_BGR2BGRA)
        return cv2.cvtColor(np.clip(x + m * colour, 0, 1), cv2.COLOR_BGRA2BGR) * 255
    m = np.where(layer > c[3], 1, 0)
    m = gaussian(m.astype(np.float32), sigma=c[4])
    m[m < 0.8] = 0
    colour = np.concatenate([v / 255.0 * np.ones_like(x[..., :1]) for v in (63, 42, 20)], axis=2)
    colour *= m[..., np.newaxis]
    x *= 1 - m[..., np.newaxis]
    return np.clip(x + colour, 0, 1) * 255


CASES = [
    (gaussian_noise, {2: 0.06, 5: 0.1}),
    (impulse_noise, {2: 0.02, 5: 0.07}),
    (motion_blur, {2: (6, 1.5), 5: (9, 2.5)}),
    (contrast, {2: 0.5, 5: 0.15}),
    (pixelate, {1: 0.95, 3: 0.85, 5: 0.65}),
    (jpeg_compression, {2: 65, 5: 40}),
    (
        spatter,
        {
            1: (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            2: (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            3: (0.65, 0.3, 1, 0.69, 0.5, 0),
            4: (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            5: (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        },
    ),
]


def encoded(pixels):
    return base64.b64encode(np.uint8(pixels).tobytes()).decode()


def main():
    x = picture()
    cases = [
        {"kind": make.__name__, "severity": severity, "pixels": encoded(make(x.copy(), c, Noise(severity)))}
        for make, constants in CASES
        for severity, c in constants.items()
    ]
    lines = ",\n".join(json.dumps(case) for case in cases)
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(f'{{"size": {SIZE}, "picture": "{encoded(x)}", "cases": [\n{lines}\n]}}\n')


main()
