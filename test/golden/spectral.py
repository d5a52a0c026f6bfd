"""Outputs of the spectral methods and singular values, with numpy alone: python test/golden/spectral.py

An implementation of its own, written from the papers: singular vectors by LAPACK, polar factors from them, the gradient of
WUDI from its definition. Inputs come from a small generator that test/golden/spectral.test.ts has too, so that matrices
large enough for the divide-and-conquer paths need no large files; of large outputs 64 values are kept.
"""

import json
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "spectral"


def values(key, count, scale):
    """Integers of a 32-bit linear congruential generator as fp32 in [-scale, scale)."""
    state = key * 2654435761 % 2**32
    out = np.empty(count)
    for i in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = (state / 2**31 - 1) * scale
    return out.astype(np.float32)


def matrix(key, rows, columns, scale=1.0):
    return values(key, rows * columns, scale).reshape(rows, columns)


def polar(a):
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    keep = s > s[0] * 1e-12
    return u[:, keep] @ vt[keep]


def tsv_m(taus, lam=1.0):
    k = min(taus[0].shape) // len(taus)
    parts = [np.linalg.svd(t, full_matrices=False) for t in taus]
    u = polar(np.hstack([u[:, :k] for u, _, _ in parts]))
    v = polar(np.hstack([vt[:k].T for _, _, vt in parts]))
    s = np.concatenate([s[:k] for _, s, _ in parts])
    return lam * (u * s) @ v.T


def iso_c(taus, lam=1.0):
    u, s, vt = np.linalg.svd(sum(taus), full_matrices=False)
    return lam * s.mean() * u @ vt


def iso_cts(taus, lam=1.0, common=0.8):
    k = min(taus[0].shape)
    own = round((k - int(common * k)) / len(taus))
    kc = k - own * len(taus)
    u, s, vt = np.linalg.svd(sum(taus), full_matrices=False)
    uc, sc, vc = u[:, :kc], s[:kc], vt[:kc].T
    us, ss, vs = [], [], []
    for t in taus:
        u, s, vt = np.linalg.svd(t - uc @ (uc.T @ t), full_matrices=False)
        us.append(u[:, :own])
        ss.append(s[:own])
        vs.append(vt[:own].T)
    sigma = np.concatenate(ss + [sc])
    return lam * sigma.mean() * polar(np.hstack(us + [uc])) @ polar(np.hstack(vs + [vc])).T


def wudi(taus, lam=1.0, steps=300, learning_rate=1, norm="squared"):
    m = sum(taus).copy()
    first, second = np.zeros_like(m), np.zeros_like(m)
    for step in range(1, steps + 1):
        g = np.zeros_like(m)
        for t in taus:
            n = np.linalg.norm(t)
            g += 2 * ((m - t) @ t.T) @ t / (n**2 if norm == "squared" else n)
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g**2
        m -= learning_rate * 1e-5 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return lam * m


def knots(taus, lam=1.0, merge="ties", density=0.2, weight=None):
    weight = weight or [1] * len(taus)
    u, s, vt = np.linalg.svd(np.hstack(taus), full_matrices=False)
    keep = s > s[0] * 1e-4
    u, s, vt = u[:, keep], s[keep], vt[keep]
    blocks = np.split(vt, len(taus), axis=1)
    if merge == "linear":
        return lam * (u * s) @ sum(w * b for w, b in zip(weight, blocks))
    trimmed = []
    for b in blocks:
        count = int(np.ceil(b.size * density))
        least = np.sort(np.abs(b).ravel())[b.size - count]
        trimmed.append(np.where(np.abs(b) >= least, b, 0))
    weighted = [w * b for w, b in zip(weight, trimmed)]
    sign = np.where(sum(weighted) >= 0, 1, -1)
    agree = [(np.sign(w) == sign) * w for w in weighted]
    count = sum((a != 0).astype(int) for a in agree)
    return lam * (u * s) @ (sum(agree) / np.maximum(count, 1))


METHODS = {"tsv_m": tsv_m, "iso_c": iso_c, "iso_cts": iso_cts, "wudi": wudi, "knots": knots}

CASES = [
    ("tsv_m", {}, (24, 36), 3),
    ("tsv_m", {"lambda": 0.5}, (36, 24), 5),
    ("tsv_m", {}, (640, 200), 8),
    ("tsv_m", {}, (250, 250), 4),
    ("iso_c", {}, (24, 36), 3),
    ("iso_c", {"lambda": 1.3}, (320, 200), 8),
    ("iso_cts", {}, (40, 36), 3),
    ("iso_cts", {"common": 0.5}, (200, 210), 4),
    ("wudi", {}, (24, 36), 3),
    ("wudi", {"norm": "plain", "steps": 50, "learning_rate": 20}, (36, 24), 4),
    ("knots", {}, (24, 36), 3),
    ("knots", {"merge": "linear", "lambda": -0.5}, (24, 36), 3),
    ("knots", {"density": 0.5, "weight": [1, 0.5, 2]}, (130, 100), 3),
]


def methods():
    cases = []
    for method, parameters, (rows, columns), count in CASES:
        base = matrix(99, rows, columns)
        experts = [base + matrix(k + 1, rows, columns, 0.1) for k in range(count)]
        taus = [e.astype(np.float64) - base for e in experts]
        given = {"lam" if key == "lambda" else key: value for key, value in parameters.items()}
        merged = base + METHODS[method](taus, **given)
        places = [i * (rows * columns - 1) // 63 for i in range(64)]
        cases.append(
            {
                "method": method,
                "parameters": parameters,
                "shape": [rows, columns],
                "experts": count,
                "change": round(float(np.linalg.norm(merged - base)), 9),
                "places": places,
                "values": [round(float(merged.ravel()[i]), 9) for i in places],
            }
        )
    return cases


def spectra():
    """Singular values of generated matrices: plain, of a product (rank 20), and with graded columns."""
    cases = []
    for kind, (rows, columns) in [
        ("plain", (90, 60)),
        ("plain", (260, 260)),
        ("product", (230, 250)),
        ("graded", (300, 220)),
    ]:
        a = matrix(7, rows, columns).astype(np.float64)
        if kind == "product":
            a = matrix(7, rows, 20).astype(np.float64) @ matrix(8, 20, columns).astype(np.float64)
        if kind == "graded":
            a = a * 2.0 ** -(np.arange(columns) // 10)
        s = np.linalg.svd(a, compute_uv=False)
        cases.append({"kind": kind, "shape": [rows, columns], "sigma": [float(f"{x:.15e}") for x in s]})
    return cases


FOLDER.mkdir(exist_ok=True)
for name, content in [("methods", methods()), ("spectra", spectra())]:
    (FOLDER / f"{name}.json").write_text(json.dumps(content) + "\n")
