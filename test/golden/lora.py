"""Changes of adapters combined by PEFT itself: python test/golden/lora.py (needs torch and peft)

Three adapters of two small linear layers, of which the third lacks one; every type of add_weighted_adapter without
randomness, on equal and on different alphas. Kept are the factors that go in and the change that comes out.
"""

import json
import math
from pathlib import Path

import peft
import torch
from peft import LoraConfig, get_peft_model

torch.manual_seed(5)
ALPHAS = {"one": 4, "two": 2, "three": 3}
LAYERS = {"first": (8, 6), "second": (6, 5)}


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for name, (inner, outer) in LAYERS.items():
            setattr(self, name, torch.nn.Linear(inner, outer, bias=False))

    def forward(self, x):
        return self.second(self.first(x))


def config(name):
    layers = ["first"] if name == "three" else list(LAYERS)
    return LoraConfig(r=2, lora_alpha=ALPHAS[name], target_modules=layers, use_rslora=name == "two")


model = get_peft_model(Net(), config("one"), adapter_name="one")
for name in ("two", "three"):
    model.add_adapter(name, config(name))
inputs = {}
for layer in LAYERS:
    module = getattr(model.base_model.model, layer)
    for name in module.lora_A:
        a, b = module.lora_A[name].weight, module.lora_B[name].weight
        # Few binary digits: the file stays small, and its numbers are exact.
        a.data = torch.round(torch.randn_like(a) * 64) / 64
        b.data = torch.round(torch.randn_like(b) * 64) / 64
        inputs.setdefault(layer, {})[name] = {
            "scaling": module.scaling[name],
            "a": a.tolist(),
            "b": b.tolist(),
        }

CASES = [
    ("linear", [1, 0.5, -0.75], {}),
    ("cat", [1, 0.5, -0.75], {}),
    ("svd", [1, 0.5, -0.75], {}),
    ("svd", [1, 0.5, 0.25], {"svd_rank": 3}),
    ("ties", [1, 0.5, 0.75], {"density": 0.5}),
    ("ties", [1, 0.5, 0.75], {"density": 0.5, "majority_sign_method": "frequency"}),
    ("ties", [1, -0.5, 0.75], {"density": 0.7}),
    ("ties_svd", [1, 0.5, 0.75], {"density": 0.5}),
    ("magnitude_prune", [1, 0.5, 0.75], {"density": 0.3}),
    ("magnitude_prune_svd", [1, 0.5, 0.75], {"density": 0.3, "svd_rank": 4}),
    ("dare_linear", [1, 0.5, 0.75], {"density": 1}),
    ("dare_ties", [1, 0.5, 0.75], {"density": 1}),
]
cases = []
for index, (kind, weights, options) in enumerate(CASES):
    name = f"merged{index}"
    model.add_weighted_adapter(list(ALPHAS), weights, name, combination_type=kind, **options)
    changes = {}
    for layer in LAYERS:
        module = getattr(model.base_model.model, layer)
        # The clone of the first adapter's configuration; its own scaling is 1 without rsLoRA.
        assert math.isclose(module.scaling[name], 1)
        delta = module.get_delta_weight(name).double()
        changes[layer] = [[float(f"{x:.8g}") for x in row] for row in delta.tolist()]
    cases.append({"kind": kind, "weights": weights, "options": options, "changes": changes})

content = {"peft": peft.__version__, "inputs": inputs, "cases": cases}
folder = Path(__file__).parent / "lora"
folder.mkdir(exist_ok=True)
(folder / "combinations.json").write_text(json.dumps(content) + "\n")
