"""Writes test/golden/mergekit/outputs.json: what mergekit itself gives for small models.

Needs mergekit 0.1.5 (pip install mergekit==0.1.5 pyyaml); run as python3 test/golden/mergekit_outputs.py. Tensors are fp32, and
magnitudes of changes are all different, so that no result depends on the order of equal ones.
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from mergekit.merge_methods import registry
from mergekit.merge_methods.base import TensorGroup

SHAPES = {"matrix": (6, 8), "vector": (11,), "kernel": (3, 2, 4)}
FILE = Path(__file__).parent / "mergekit" / "outputs.json"

# Method, its parameters in mergekit, whether there is a base, number of experts.
CASES = [
    ("linear", {"weight": [1, 1, 1]}, False, 3),
    ("linear", {"weight": [0.2, 0.5, 1.3]}, False, 3),
    ("linear", {"weight": [0.2, -0.5, 0.4], "normalize": False}, False, 3),
    ("slerp", {"t": 0.25}, True, 1),
    ("slerp", {"t": 0.8}, True, 1),
    ("nuslerp", {"weight": [0.3, 0.9]}, True, 2),
    ("nuslerp", {"weight": [1, 2], "nuslerp_flatten": False}, True, 2),
    ("nuslerp", {"weight": [1, 2], "nuslerp_flatten": False, "nuslerp_row_wise": True}, True, 2),
    ("nuslerp", {"weight": [0.4, 0.6]}, False, 2),
    ("multislerp", {"weight": [1, 1, 1]}, True, 3),
    ("multislerp", {"weight": [0.5, 0.2, 0.9]}, False, 3),
    ("multislerp", {"weight": [0.5, 0.2, 0.9], "normalize_weights": False}, True, 3),
    ("karcher", {}, False, 3),
    ("karcher", {"max_iter": 100, "tol": 1e-6}, False, 4),
    ("task_arithmetic", {"weight": [0.5, 0.3, -0.2]}, True, 3),
    ("task_arithmetic", {"weight": [0.5, 0.3, 0.4], "normalize": True, "lambda": 0.7}, True, 3),
    ("ties", {"weight": [1, 1, 1], "density": [0.5, 0.5, 0.5]}, True, 3),
    ("ties", {"weight": [0.5, 0.3, 0.2], "density": [0.3, 0.6, 0.9], "lambda": 0.8}, True, 3),
    ("ties", {"weight": [0.5, 0.3, 0.2], "density": [0.3, 0.6, 1], "normalize": False}, True, 3),
    ("dare_ties", {"weight": [0.5, 0.3, 0.2], "density": 1}, True, 3),
    ("dare_linear", {"weight": [0.5, 0.3, 0.2], "density": 1}, True, 3),
    ("della", {"weight": [0.5, 0.3, 0.2], "density": 1}, True, 3),
    ("della_linear", {"weight": [0.5, 0.3, 0.2], "density": 1}, True, 3),
    ("breadcrumbs", {"weight": [0.5, 0.3, 0.2], "density": 0.5, "gamma": 0.1}, True, 3),
    ("breadcrumbs", {"weight": [0.5, 0.3, 0.2], "density": 0.95, "gamma": 0.2}, True, 3),
    ("breadcrumbs", {"weight": [1, 1, 1], "density": 0.5, "gamma": 0.1, "rescale": True}, True, 3),
    ("breadcrumbs_ties", {"weight": [0.5, 0.3, 0.2], "density": [0.4, 0.6, 1], "gamma": 0.1}, True, 3),
    ("breadcrumbs_ties", {"weight": [1, 1, 1], "density": 0.5, "gamma": 0.01, "normalize": True}, True, 3),
    ("model_stock", {}, True, 2),
    ("model_stock", {}, True, 3),
    ("model_stock", {"filter_wise": True}, True, 3),
    ("sce", {}, True, 3),
    ("sce", {"select_topk": 0.3}, True, 3),
    ("passthrough", {}, False, 1),
    ("passthrough", {"scale": [0.25]}, False, 1),
]


def numbers(tensor):
    return [float(value) for value in tensor.to(torch.float32).flatten()]


def main():
    torch.manual_seed(4)
    base = {name: torch.randn(shape) * 0.3 for name, shape in SHAPES.items()}
    # Changes have something in common, as those of experts have.
    common = {name: torch.randn(shape) * 0.1 for name, shape in SHAPES.items()}
    experts = [
        {name: base[name] + common[name] + torch.randn(shape) * 0.1 for name, shape in SHAPES.items()}
        for _ in range(4)
    ]
    outputs = []
    for method, parameters, has_base, count in CASES:
        merged = {}
        for name in SHAPES:
            tensors = [expert[name] for expert in experts[:count]]
            group = TensorGroup.from_tensors(
                ([base[name]] if has_base else []) + tensors,
                base_index=0 if has_base else None,
            )
            (result,) = registry.get(method)((group,), parameters=parameters)
            merged[name] = numbers(result)
        outputs.append({"method": method, "parameters": parameters, "base": has_base, "experts": count, "merged": merged})
    FILE.parent.mkdir(exist_ok=True)
    case = {
        "mergekit": version("mergekit"),
        "shapes": SHAPES,
        "base": {name: numbers(tensor) for name, tensor in base.items()},
        "experts": [{name: numbers(tensor) for name, tensor in expert.items()} for expert in experts],
        "outputs": outputs,
    }
    text = json.dumps(case, separators=(",", ":")).replace('{"method"', '\n{"method"')
    FILE.write_text(text + "\n")


main()
