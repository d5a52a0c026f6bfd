"""Adaptation by PyTorch's autograd and Adam: the fixtures of adaptation.test.ts.

    pip install torch 'transformers>=4.40,<5' safetensors numpy
    python test/golden/adaptation.py

transformers' CLIP encoder with its MLPs replaced by weight-ensembling modules, written as the paper
describes them: every sample (or batch) merges whole weight sets and runs the block's MLP with them.
AdaMerging merges the whole state dict. Everything in float64.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
try:
    from torch.func import functional_call
except ImportError:  # torch 1
    from torch.nn.utils.stateless import functional_call
from transformers import CLIPVisionConfig, CLIPVisionModel

FOLDER = Path(__file__).parent / "adaptation"
LAMBDA = 0.3
STEPS = 3
LEARNING_RATE = 0.01
SETTINGS = dict(
    hidden_size=8,
    intermediate_size=12,
    num_hidden_layers=2,
    num_attention_heads=2,
    image_size=6,
    patch_size=3,
    hidden_act="quick_gelu",
)
CLASSES = [3, 5]
IMAGES = 3
MEAN = [0.5, 0.4, 0.3]
DEVIATION = [0.2, 0.25, 0.3]
LAYERS = range(SETTINGS["num_hidden_layers"])
MLP = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]

generator = torch.Generator().manual_seed(7)


def noise(shape, deviation):
    # fp32 values, so that a fixture in fp32 holds them exactly.
    return (torch.randn(shape, generator=generator) * deviation).double()


def fresh_model():
    return CLIPVisionModel(CLIPVisionConfig(**SETTINGS)).eval().double()


def router(depth, layer, values, u):
    """u [..., N, d] -> s [..., N, K]."""
    get = lambda name: values[f"routers.{layer}.{name}"]
    if depth == 0:
        return get("fc2.bias").expand(*u.shape[:-1], -1)
    if depth == 2:
        u = torch.relu(u @ get("fc1.weight").T + get("fc1.bias"))
    return u @ get("fc2.weight").T + get("fc2.bias")


class Ensemble(nn.Module):
    def __init__(self, mlp, origin, experts, layer, depth, reduction, values, log):
        super().__init__()
        self.mlp = mlp
        self.given = (origin, experts, layer, depth, reduction, values, log)

    def merged(self, u, coefficients):
        origin, experts, *_ = self.given
        weights = {
            name: origin[name]
            + sum(c * (expert[name] - origin[name]) for c, expert in zip(coefficients, experts))
            for name in MLP
        }
        return functional_call(self.mlp, weights, (u,))

    def forward(self, u):
        _, _, layer, depth, reduction, values, log = self.given
        scores = router(depth, layer, values, u).mean(dim=1)  # [B, K]
        if reduction == "batch-mean":
            coefficients = scores.mean(dim=0)
            log.append(coefficients.detach())
            return self.merged(u, coefficients)
        log.append(scores.detach().mean(dim=0))
        return torch.stack([self.merged(u[i : i + 1], scores[i])[0] for i in range(len(u))])


def entropy(features, head):
    logits = features / features.norm(dim=1, keepdim=True) @ head.T
    logs = torch.log_softmax(logits, dim=1)
    return -(logs.exp() * logs).sum(dim=1).mean()


def wemoe_encoder(base, experts, depth, reduction, values, log):
    model = fresh_model()
    merged = {k: v + LAMBDA * sum(e[k] - v for e in experts) for k, v in base.items()}
    model.load_state_dict(merged, strict=False)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    for layer, block in enumerate(model.vision_model.encoder.layers):
        prefix = f"vision_model.encoder.layers.{layer}.mlp."
        of = lambda weights: {name: weights[prefix + name] for name in MLP}
        block.mlp = Ensemble(
            block.mlp, of(base), [of(e) for e in experts], layer, depth, reduction, values, log
        )
    return lambda images: model(images).pooler_output


def adamerging_encoder(base, experts, granularity, clamp, values):
    model = fresh_model()
    names = list(base)

    def encode(images):
        raw = values["coefficients"]
        coefficients = raw.clamp(0, 1) if clamp else raw
        merged = {}
        for index, name in enumerate(names):
            row = coefficients[index if granularity == "layer" else 0]
            merged[name] = base[name] + sum(
                c * (expert[name] - base[name]) for c, expert in zip(row, experts)
            )
        return functional_call(model, merged, (images,)).pooler_output

    return encode


def initial_routers(depth, count):
    d = SETTINGS["hidden_size"]
    values = {}
    for layer in LAYERS:
        prefix = f"routers.{layer}"
        if depth == 2:
            values[f"{prefix}.fc1.weight"] = noise((d, d), 0.3)
            values[f"{prefix}.fc1.bias"] = noise((d,), 0.1)
        if depth >= 1:
            values[f"{prefix}.fc2.weight"] = noise((count, d), 0.2)
        values[f"{prefix}.fc2.bias"] = noise((count,), 0.1) + LAMBDA
    return values


def run(name, values, make_encoder, tasks, schedule):
    values = {key: value.float().double().requires_grad_(True) for key, value in values.items()}
    tensors = {f"initial/{key}": value.detach().clone() for key, value in values.items()}
    optimiser = torch.optim.Adam(values.values(), lr=LEARNING_RATE)
    scheduler = (
        torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        if schedule == "cosine"
        else None
    )
    steps = []
    for step in range(STEPS):
        log = []
        encode = make_encoder(values, log)
        entropies = [entropy(encode(images), head) for images, head in tasks]
        optimiser.zero_grad()
        sum(entropies).backward()
        if step == 0:
            tensors.update({f"gradient/{k}": v.grad.clone() for k, v in values.items()})
        steps.append(
            {
                "entropy": [e.item() for e in entropies],
                "learningRate": optimiser.param_groups[0]["lr"],
                # Logged task by task, layer by layer; as [layer][task][expert].
                "routing": [
                    [log[task * len(LAYERS) + layer].tolist() for task in range(len(tasks))]
                    for layer in LAYERS
                ]
                if log
                else [],
            }
        )
        optimiser.step()
        if scheduler is not None:
            scheduler.step()
    tensors.update({f"final/{key}": value.detach() for key, value in values.items()})
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, FOLDER / f"{name}.safetensors")
    return steps


def main():
    FOLDER.mkdir(exist_ok=True)
    state = {k: v for k, v in fresh_model().state_dict().items() if not k.endswith("position_ids")}
    base = {
        name: noise(value.shape, 0.3) + (1 if "norm" in name and name.endswith("weight") else 0)
        for name, value in state.items()
    }
    base = {name: value.float().double() for name, value in base.items()}
    experts = [
        {name: (value + noise(value.shape, 0.1)).float().double() for name, value in base.items()}
        for _ in CLASSES
    ]
    side = SETTINGS["image_size"]
    tensors, tasks = {}, []
    for index, classes in enumerate(CLASSES):
        pixels = torch.randint(0, 256, (IMAGES, side, side, 3), generator=generator)
        mean, deviation = torch.tensor(MEAN).double(), torch.tensor(DEVIATION).double()
        images = ((pixels / 255 - mean) / deviation).permute(0, 3, 1, 2)
        head = noise((classes, SETTINGS["hidden_size"]), 2)
        tasks.append((images, head))
        tensors[f"pixels/{index}"], tensors[f"head/{index}"] = pixels, head
    for prefix, weights in [("base", base), *((f"expert{k}", e) for k, e in enumerate(experts))]:
        tensors.update({f"{prefix}/{name}": value for name, value in weights.items()})
    save_file(
        {name: value.float().contiguous() for name, value in tensors.items()},
        FOLDER / "inputs.safetensors",
    )

    cases = []
    for depth, reduction, schedule in [
        (0, "per-sample", "constant"),
        (1, "per-sample", "cosine"),
        (1, "batch-mean", "constant"),
        (2, "per-sample", "constant"),
        (2, "batch-mean", "cosine"),
    ]:
        name = f"wemoe-{depth}-{reduction}"
        steps = run(
            name,
            initial_routers(depth, len(experts)),
            lambda v, log, d=depth, r=reduction: wemoe_encoder(base, experts, d, r, v, log),
            tasks,
            schedule,
        )
        method = {"depth": depth, "reduction": reduction}
        cases.append({"name": name, "wemoe": method, "schedule": schedule, "steps": steps})
    for granularity, clamp in [("task", False), ("layer", True)]:
        name = f"adamerging-{granularity}"
        rows = len(base) if granularity == "layer" else 1
        # With the clamp some coefficients lie outside of [0, 1], and some on its ends.
        start = noise((rows, len(experts)), 0.5 if clamp else 0.1) + LAMBDA
        if clamp:
            start[0, 0], start[1, 0] = 0.0, 1.0
        steps = run(
            name,
            {"coefficients": start},
            lambda v, _log, g=granularity, c=clamp: adamerging_encoder(base, experts, g, c, v),
            tasks,
            "constant",
        )
        method = {"granularity": granularity, "clamp": clamp}
        cases.append({"name": name, "adamerging": method, "schedule": "constant", "steps": steps})
    described = {
        "config": {"model_type": "clip_vision_model", **SETTINGS},
        "lambda": LAMBDA,
        "learningRate": LEARNING_RATE,
        "images": IMAGES,
        "normalisation": {"mean": MEAN, "deviation": DEVIATION},
        "cases": cases,
    }
    (FOLDER / "cases.json").write_text(json.dumps(described, indent=2) + "\n")


main()
