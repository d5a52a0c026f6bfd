"""Writes the golden outputs of test/golden/merging/: python3 test/golden/merging.py (needs numpy).

An implementation of its own of the published rules, on whole flattened models and with sorting where
the application streams and counts. Cases named "grid" hold multiples of 1/64, so that every way of
summing is exact; of the "normal" cases the first three methods are computed in fp32 throughout, as the
authors' code computes them. Outputs marked "rounded" come from fp64 and divisions.
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


def changes_of(base, experts):
    return np.stack(experts).astype(np.float64) - np.asarray(base, np.float64)


def linear(base, experts, weights, normalize):
    return np.average(np.stack(experts).astype(np.float64), axis=0, weights=weights) * (
        1 if normalize else np.sum(weights)
    )


def weighted_ties(vectors, sizes, weights, density, per_tensor, vote, before, mean):
    """TIES with weights: within tensors exactly k >= 1 are kept, lower indices first among equals."""
    kept = np.zeros_like(vectors)
    for row, vector in enumerate(vectors):
        parts = np.split(np.arange(vector.size), np.cumsum(sizes)[:-1])
        for part in parts:
            order = part[np.argsort(-np.abs(vector[part]), kind="stable")]
            chosen = order[: max(1, int(density[row] * part.size))]
            if per_tensor == "tensor":
                ranked = np.sort(np.abs(vector[part]))
                least = ranked[max(part.size - int(density[row] * part.size), 1) - 1]
                chosen = part[np.abs(vector[part]) >= least]
            kept[row, chosen] = vector[chosen]
    scaled = kept * np.asarray(weights)[:, None]
    voting = scaled if before else kept
    votes = voting.sum(axis=0) if vote == "mass" else np.sign(voting).sum(axis=0)
    agree = np.sign(voting) == np.where(votes >= 0, 1, -1)
    total = np.where(agree, scaled, 0).sum(axis=0)
    if mean == "sum":
        return total
    shares = np.asarray(weights)[:, None] * agree if mean == "weighted_mean" else agree
    divisor = shares.sum(axis=0)
    return total / np.where(divisor == 0, 1, divisor)


def breadcrumbs(vectors, sizes, density, gamma):
    """The authors' order within a row; every tensor here is one row."""
    kept = np.zeros_like(vectors)
    for row, vector in enumerate(vectors):
        for part in np.split(np.arange(vector.size), np.cumsum(sizes)[:-1]):
            order = part[np.argsort(-np.abs(vector[part]), kind="stable")]
            top = int(gamma * part.size)
            chosen = order[top : top + int(density * part.size)]
            kept[row, chosen] = vector[chosen]
    return kept.sum(axis=0)


def magmax(vectors):
    greatest, least = vectors.max(axis=0), vectors.min(axis=0)
    return np.where(greatest >= -least, greatest, least)


def metagpt(vectors):
    squares = (vectors**2).sum(axis=1)
    return (vectors * (squares / squares.sum())[:, None]).sum(axis=0)


def emr(vectors, sizes, task, by_tensor):
    sign = np.where(vectors.sum(axis=0) > 0, 1.0, -1.0)
    unified = sign * np.where(np.sign(vectors) == sign, np.abs(vectors), 0).max(axis=0)
    if task == 0:
        return unified
    own = vectors[task - 1]
    masked = np.where(own * unified > 0, unified, 0)
    borders = np.cumsum(sizes)[:-1]
    means = lambda values: sum(part.mean() for part in np.split(np.abs(values), borders))
    scale = means(own) / means(masked) if by_tensor else np.abs(own).sum() / np.abs(masked).sum()
    return scale * masked


def consensus(vectors, threshold, agreement, task):
    total = vectors.sum(axis=0)
    masks = np.abs(vectors) > threshold * np.abs(total - vectors)
    return np.where(masks.sum(axis=0) >= agreement if task == 0 else masks[task - 1], total, 0)


def pcb(vectors, ratio):
    count = vectors.shape[1]
    sizes = np.sort(np.abs(vectors), axis=1)
    low = sizes[:, int(count * 1e-4)][:, None]
    high = sizes[:, int(count * (1 - 1e-4) - 1)][:, None]
    clamped = np.clip(np.abs(vectors), low, high)
    own = np.exp(len(vectors) * ((clamped - low) / (high - low)) ** 2)
    scores = (own * np.tanh(vectors * vectors.sum(axis=0))).astype(np.float64)
    least = np.sort(scores, axis=1)[:, int(count * (1 - ratio))][:, None]
    scores = np.maximum(scores, least)
    shares = (scores - least) / (scores.max(axis=1) - least[:, 0])[:, None]
    return (shares * np.sign(vectors) * clamped).sum(axis=0) / np.maximum(shares.sum(axis=0), 1e-12)


def sce(vectors, sizes, topk):
    merged = []
    for part in np.split(vectors, np.cumsum(sizes)[:-1], axis=1):
        variance = part.var(axis=0).astype(np.float32)
        chosen = np.argsort(-variance, kind="stable")[: int(np.count_nonzero(variance) * topk)]
        mask = np.ones(part.shape[1]) if topk == 1 else np.isin(np.arange(part.shape[1]), chosen)
        kept = part * mask
        energy = (kept**2).sum(axis=1)
        weights = (energy / energy.sum() if energy.sum() > 0 else np.ones(len(part)))[:, None]
        agree = np.sign(kept) == np.where(kept.sum(axis=0) >= 0, 1, -1)
        total = (weights * agree).sum(axis=0)
        merged.append((weights * agree * kept).sum(axis=0) / np.where(total == 0, 1, total))
    return np.concatenate(merged)


def more_methods(base, experts, sizes):
    """Methods that divide: their outputs are compared up to rounding."""
    base = np.asarray(base, np.float64)
    vectors = changes_of(base, experts)
    count = len(experts)
    weights = [0.5, 0.3, 0.2, 0.75, -0.25][:count]
    density = [0.3, 0.6, 1, 0.2, 0.5][:count]
    yield "linear", {"weight": weights}, linear(base, experts, weights, True)
    yield "linear", {"weight": weights, "normalize": False}, linear(base, experts, weights, False)
    for trim in ("tensor", "tensor_exact"):
        for vote, weigh, merge in (
            ("mass", "before_vote", "weighted_mean"),
            ("frequency", "after_vote", "mean"),
            ("mass", "after_vote", "sum"),
        ):
            before = weigh == "before_vote"
            result = weighted_ties(vectors, sizes, weights, density, trim, vote, before, merge)
            parameters = {"weight": weights, "density": density, "lambda": 1, "trim": trim, "vote": vote}
            parameters |= {"weigh": weigh, "merge": merge, "even_sign": "positive"}
            yield "ties", parameters, base + result
    for kept, gamma in ((0.5, 0.1), (0.15, 0.05)):
        parameters = {"density": kept, "gamma": gamma, "lambda": 1}
        yield "breadcrumbs", parameters, base + breadcrumbs(vectors, sizes, kept, gamma)
    yield "magmax", {"lambda": 0.5}, base + 0.5 * magmax(vectors)
    yield "metagpt", {}, base + metagpt(vectors)
    for task in (0, 1, 2):
        for rescaler in ("values", "tensor_means"):
            result = emr(vectors, sizes, task, rescaler == "tensor_means")
            yield "emr", {"task": task, "rescaler": rescaler}, base + result
        parameters = {"threshold": 0.4, "agreement": 2, "task": task, "lambda": 1}
        yield "consensus", parameters, base + consensus(vectors, 0.4, 2, task)
    for topk in (1, 0.3):
        parameters = {"select_topk": topk, "uniform_below": 0}
        yield "sce", parameters, base + sce(vectors, sizes, topk)


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
    if experts[0].size > 10:
        outputs += [(method, given, result, False) for method, given, result in more_methods(base, experts, sizes)]
        # Ranks of scores that are equal but for rounding differ between implementations.
        if real is np.float32:
            vectors = changes_of(base, experts)
            outputs.append(("pcb", {"ratio": 0.3, "lambda": 1}, base + pcb(vectors, 0.3), False))
    case = {
        "exact": real is np.float64,
        "base": split(base, sizes),
        "experts": [split(expert, sizes) for expert in experts],
        "outputs": [
            {"method": method, "parameters": parameters, "merged": split(result, sizes)}
            | ({"rounded": True} if rounded else {})
            for method, parameters, result, *rounded in outputs
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
