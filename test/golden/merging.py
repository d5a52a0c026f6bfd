"""Writes the golden outputs of test/golden/merging/: python3 test/golden/merging.py (needs numpy).

An implementation of its own of the published rules, on whole flattened models and with sorting where
the application streams and counts: simple average, task arithmetic (Ilharco et al. 2023) and
TIES-Merging (Yadav et al. 2023, as in prateeky2806/ties-merging). Cases named "grid" hold multiples of
1/64, so that every way of summing is exact; the "normal" cases are computed in fp32 throughout, as the
authors' code computes them.
"""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "merging"


def simple_average(base, experts, real):
    return np.mean(np.stack(experts).astype(real), axis=0)


def task_arithmetic(base, experts, real, scale):
    vectors = np.stack(experts).astype(real) - base.astype(real)
    return base.astype(real) + real(scale) * vectors.sum(axis=0)


def ties(base, experts, real, density, scale, merge):
    vectors = np.stack(experts).astype(real) - base.astype(real)
    count = vectors.shape[1]
    trimmed = np.zeros_like(vectors)
    for row, vector in enumerate(vectors):
        magnitudes = np.sort(np.abs(vector))
        place = max(count - int(density * count), 1)
        keep = np.abs(vector) >= magnitudes[place - 1]
        if density == 1:
            keep[:] = True
        trimmed[row] = np.where(keep, vector, 0)
    signs = np.sign(trimmed.sum(axis=0))
    majority = np.sign(signs.sum())
    signs = np.where(signs == 0, majority, signs)
    agreeing = np.where(signs > 0, trimmed > 0, trimmed < 0)
    merged = np.where(agreeing, trimmed, 0).sum(axis=0)
    if merge == "mean":
        merged = merged / np.maximum(agreeing.sum(axis=0), 1)
    return base.astype(real) + real(scale) * merged.astype(real)


def fp32(values):
    return [float(value) for value in np.asarray(values, np.float32)]


def split(values, sizes):
    return [fp32(part) for part in np.split(values, np.cumsum(sizes)[:-1])]


def write(name, base, experts, sizes, real):
    base = np.asarray(base, np.float32)
    experts = [np.asarray(expert, np.float32) for expert in experts]
    outputs = [("simple_average", {}, simple_average(base, experts, real))]
    for scale in (0.3, 1, -0.5):
        result = task_arithmetic(base, experts, real, scale)
        outputs.append(("task_arithmetic", {"lambda": scale}, result))
    for density in (0.001, 0.2, 0.4, 0.75, 1):
        for scale, merge in ((0.3, "sum"), (1, "sum"), (1, "mean")):
            result = ties(base, experts, real, density, scale, merge)
            outputs.append(("ties", {"density": density, "lambda": scale, "merge": merge}, result))
    case = {
        "exact": real is np.float64,
        "base": split(base, sizes),
        "experts": [split(expert, sizes) for expert in experts],
        "outputs": [
            {"method": method, "parameters": parameters, "merged": split(result, sizes)}
            for method, parameters, result in outputs
        ],
    }
    text = json.dumps(case, separators=(",", ":")).replace('{"method"', '\n{"method"')
    (FOLDER / f"{name}.json").write_text(text + "\n")


def grid(random, count, experts, bias):
    base = random.integers(-64, 65, count) / 64
    steps = random.integers(-4 + bias, 5 + bias, (experts, count))
    steps[random.random((experts, count)) < 0.25] = 0
    return base, base + steps / 64


def main():
    FOLDER.mkdir(exist_ok=True)
    random = np.random.default_rng(20230613)
    sizes = [7, 1, 24, 40]
    for name, bias in (("grid-positive", 1), ("grid-negative", -1), ("grid-even", 0)):
        write(name, *grid(random, sum(sizes), 4, bias), sizes, np.float64)
    # As many elected signs are positive as negative, so a cancelling position has no majority to follow.
    balanced = [[1, -1, 1, 2], [1, -1, -1, -2], [0, 0, 0, 0]]
    write("grid-no-majority", [0.5, 0, 0.25, 1], balanced + np.array([0.5, 0, 0.25, 1]), [2, 2], np.float64)
    for name, deviation in (("normal-near", 0.002), ("normal-far", 0.5)):
        base = (random.standard_normal(sum(sizes)) * 0.05).astype(np.float32)
        steps = random.standard_normal((5, sum(sizes))) * deviation
        write(name, base, (base + steps).astype(np.float32), sizes, np.float32)


main()
