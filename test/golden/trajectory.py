"""Twenty steps of test-time adaptation by PyTorch: the fixtures of trajectory.test.ts.

    pip install torch 'transformers>=5' safetensors
    python test/golden/trajectory.py

A tiny random CLIPVisionModel of transformers, three experts, and a batch of its own for every task and step. The
step is that of the papers' code (WEMoE, AdaMerging and their ports in fusion-bench): the entropy of each task's batch
with log(p + 1e-8), backward task by task, then one update of torch.optim.Adam. WEMoE merges the MLP of every block for
each image (or batch) by functional_call; AdaMerging merges the whole state dict with one coefficient for each expert
and tensor, clamped to [0, 1]. Everything in float64, from values that fp32 holds exactly.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.func import functional_call
from transformers import CLIPVisionConfig, CLIPVisionModel

FOLDER = Path(__file__).parent / "trajectory"
SETTINGS = dict(
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    image_size=8,
    patch_size=4,
    hidden_act="quick_gelu",
)
CLASSES = [3, 5, 4]
STEPS, BATCH, LAMBDA, SCALE = 20, 3, 0.3, 12.0
MEAN, DEVIATION = [0.48, 0.46, 0.41], [0.27, 0.26, 0.28]
PREFIX = "vision_model."
MLP = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
generator = torch.Generator().manual_seed(20)


def noise(shape, deviation):
    return (torch.randn(shape, generator=generator) * deviation).double()


def fresh_model():
    model = CLIPVisionModel(CLIPVisionConfig(**SETTINGS)).eval().double()
    return model.requires_grad_(False)


class WeightEnsemble(nn.Module):
    """An MLP whose weights are the pre-trained ones plus task vectors by routing weights."""

    def __init__(self, mlp, vectors, router, batch_mean):
        super().__init__()
        self.mlp, self.router, self.batch_mean = mlp, router, batch_mean
        self.origin = {name: value.clone() for name, value in mlp.state_dict().items()}
        self.vectors = vectors

    def forward(self, u):
        hidden = torch.relu(u @ self.router["fc1.weight"].T + self.router["fc1.bias"])
        gates = (hidden @ self.router["fc2.weight"].T + self.router["fc2.bias"]).mean(dim=1)
        if self.batch_mean:
            return self.merged(u, gates.mean(dim=0))
        return torch.cat([self.merged(u[i : i + 1], gates[i]) for i in range(len(u))])

    def merged(self, u, gates):
        weights = {
            name: self.origin[name] + sum(gate * v[name] for gate, v in zip(gates, self.vectors))
            for name in MLP
        }
        return functional_call(self.mlp, weights, (u,))


def wemoe(base, experts, values, batch_mean):
    model = fresh_model()
    model.load_state_dict({k: v + LAMBDA * sum(e[k] - v for e in experts) for k, v in base.items()})
    for layer, block in enumerate(model.encoder.layers):
        at = lambda name: f"encoder.layers.{layer}.mlp.{name}"
        block.mlp.load_state_dict({name: base[at(name)] for name in MLP})
        vectors = [{name: e[at(name)] - base[at(name)] for name in MLP} for e in experts]
        prefix = f"routers.{layer}."
        router = {k[len(prefix) :]: v for k, v in values.items() if k.startswith(prefix)}
        block.mlp = WeightEnsemble(block.mlp, vectors, router, batch_mean)
    return lambda images: model(images).pooler_output


def adamerging(base, experts, values):
    model = fresh_model()

    def encode(images):
        rows = values["coefficients"].clamp(0, 1)
        weights = {
            name: origin + sum(c * (e[name] - origin) for c, e in zip(row, experts))
            for (name, origin), row in zip(base.items(), rows)
        }
        return functional_call(model, weights, (images,)).pooler_output

    return encode


def entropy(logits):
    p = logits.softmax(dim=1)
    return -(p * (p + 1e-8).log()).sum(dim=1).mean()


def classify(features, head):
    return features / features.norm(dim=1, keepdim=True) @ head.T


def trajectory(name, values, make_encoder, tasks, learning_rate, recorded):
    values = {k: v.float().double().requires_grad_(True) for k, v in values.items()}
    encode = make_encoder(values)
    optimiser = torch.optim.Adam(values.values(), lr=learning_rate)
    history = {k: [v.detach().clone()] for k, v in values.items()}
    tensors, entropies = {}, []
    for step in range(STEPS):
        optimiser.zero_grad()
        losses = []
        for images, head in tasks:
            loss = entropy(classify(encode(images[step]), head))
            loss.backward()
            losses.append(loss.item())
        entropies.append(losses)
        if step == 0:
            tensors.update({f"gradient/{k}": v.grad.clone() for k, v in values.items()})
        optimiser.step()
        for k, v in values.items():
            history[k].append(v.detach().clone())
    tensors.update({f"values/{k}": torch.stack([v[step] for step in recorded]) for k, v in history.items()})
    with torch.no_grad():
        for index, (images, head) in enumerate(tasks):
            tensors[f"features/{index}"] = features = encode(images[0])
            tensors[f"logits/{index}"] = classify(features, head)
    tensors["entropy"] = torch.tensor(entropies)
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, FOLDER / f"{name}.safetensors")


def initial_routers():
    d, values = SETTINGS["hidden_size"], {}
    for layer in range(SETTINGS["num_hidden_layers"]):
        values[f"routers.{layer}.fc1.weight"] = noise((d, d), 0.3)
        values[f"routers.{layer}.fc1.bias"] = noise((d,), 0.1)
        values[f"routers.{layer}.fc2.weight"] = noise((len(CLASSES), d), 0.2)
        values[f"routers.{layer}.fc2.bias"] = noise((len(CLASSES),), 0.05) + LAMBDA
    return values


def main():
    FOLDER.mkdir(exist_ok=True)
    state = {k: v for k, v in fresh_model().state_dict().items() if not k.endswith("position_ids")}
    base = {
        name: noise(v.shape, 0.25) + (1 if "norm" in name and name.endswith("weight") else 0)
        for name, v in state.items()
    }
    base = {name: value.float().double() for name, value in base.items()}
    experts = [{n: (v + noise(v.shape, 0.08)).float().double() for n, v in base.items()} for _ in CLASSES]
    tensors, tasks = {}, []
    side = SETTINGS["image_size"]
    mean, deviation = torch.tensor(MEAN).double(), torch.tensor(DEVIATION).double()
    for index, classes in enumerate(CLASSES):
        pixels = torch.randint(0, 256, (STEPS, BATCH, side, side, 3), generator=generator, dtype=torch.uint8)
        rows = noise((classes, SETTINGS["hidden_size"]), 1)
        head = (SCALE * rows / rows.norm(dim=1, keepdim=True)).float()
        images = ((pixels.double() / 255 - mean) / deviation).permute(0, 1, 4, 2, 3)
        tasks.append((images, head.double()))
        tensors[f"pixels/{index}"], tensors[f"head/{index}"] = pixels, head
    for part, weights in [("base", base), *((f"expert{k}", e) for k, e in enumerate(experts))]:
        tensors.update({f"{part}/{PREFIX}{name}": value.float() for name, value in weights.items()})
    save_file({k: v.contiguous() for k, v in tensors.items()}, FOLDER / "inputs.safetensors")

    every, ends = list(range(STEPS + 1)), [0, STEPS]
    start = noise((len(base), len(experts)), 0.1) + LAMBDA
    runs = [
        # name, reduction, learning rate, steps whose values are written, initial values, encoder of values
        ("wemoe-per-sample", "per-sample", 3e-3, every, initial_routers(), lambda v: wemoe(base, experts, v, False)),
        ("wemoe-batch-mean", "batch-mean", 3e-3, ends, initial_routers(), lambda v: wemoe(base, experts, v, True)),
        ("adamerging", None, 1e-2, every, {"coefficients": start}, lambda v: adamerging(base, experts, v)),
    ]
    cases = []
    for name, reduction, rate, recorded, values, make in runs:
        trajectory(name, values, make, tasks, rate, recorded)
        cases.append({"name": name, "reduction": reduction, "learningRate": rate, "recorded": recorded})
    described = {
        "config": {"model_type": "clip_vision_model", **SETTINGS},
        "steps": STEPS,
        "batch": BATCH,
        "lambda": LAMBDA,
        "normalisation": {"mean": MEAN, "deviation": DEVIATION},
        "cases": cases,
    }
    (FOLDER / "cases.json").write_text(json.dumps(described) + "\n")


main()
