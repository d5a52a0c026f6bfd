"""Representation Surgery by PyTorch: the fixture of surgery.test.ts.

    pip install torch 'transformers>=5' safetensors
    python test/golden/surgery.py

Base, experts, images and heads are those of trajectory.py. The merge is task arithmetic; each task has two linear layers
without bias around a ReLU, whose output is taken away from the merged model's features, and nn.L1Loss to the features
of the task's own expert, summed over tasks, is minimised by torch.optim.Adam. Everything in float64.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel

HERE = Path(__file__).parent
FOLDER = HERE / "surgery"
GIVEN = json.loads((HERE / "trajectory" / "cases.json").read_text())
RANK, STEPS, LAMBDA, LEARNING_RATE = 4, 6, 0.3, 5e-3
PREFIX = "vision_model."
generator = torch.Generator().manual_seed(31)
inputs = {k: v.double() for k, v in load_file(HERE / "trajectory" / "inputs.safetensors").items()}
part = lambda name: {k[len(name + PREFIX) + 1 :]: v for k, v in inputs.items() if k.startswith(f"{name}/{PREFIX}")}


def encoder(weights):
    settings = {k: v for k, v in GIVEN["config"].items() if k != "model_type"}
    model = CLIPVisionModel(CLIPVisionConfig(**settings)).eval().double()
    model.load_state_dict(weights)
    return model.requires_grad_(False)


class Module(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.down = nn.Linear(width, RANK, bias=False)
        self.up = nn.Linear(RANK, width, bias=False)
        for layer in (self.down, self.up):
            # fp32 values, so that a fixture in fp32 holds them exactly.
            layer.weight = nn.Parameter((torch.randn(layer.weight.shape, generator=generator) * 0.3).double())

    def forward(self, features):
        return features - self.up(torch.relu(self.down(features)))


def main():
    base, experts = part("base"), [part(f"expert{k}") for k in range(3)]
    merged = encoder({k: v + LAMBDA * sum(e[k] - v for e in experts) for k, v in base.items()})
    experts = [encoder(e) for e in experts]
    mean, deviation = (torch.tensor(GIVEN["normalisation"][k]).double() for k in ("mean", "deviation"))
    images = [
        ((inputs[f"pixels/{k}"] / 255 - mean) / deviation).permute(0, 1, 4, 2, 3) for k in range(len(experts))
    ]
    modules = nn.ModuleList(Module(GIVEN["config"]["hidden_size"]) for _ in experts)
    tensors = {f"initial/{k}": v.clone() for k, v in modules.state_dict().items()}
    optimiser = torch.optim.Adam(modules.parameters(), lr=LEARNING_RATE)
    losses = []
    for step in range(STEPS):
        loss = 0
        for module, expert, batches in zip(modules, experts, images):
            wanted = expert(batches[step]).pooler_output
            loss = loss + nn.functional.l1_loss(module(merged(batches[step]).pooler_output), wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    tensors.update({f"final/{k}": v for k, v in modules.state_dict().items()})
    with torch.no_grad():
        for k, (module, batches) in enumerate(zip(modules, images)):
            features = module(merged(batches[0]).pooler_output)
            tensors[f"features/{k}"] = features
            tensors[f"logits/{k}"] = features / features.norm(dim=1, keepdim=True) @ inputs[f"head/{k}"].T
    FOLDER.mkdir(exist_ok=True)
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, FOLDER / "values.safetensors")
    described = {"rank": RANK, "lambda": LAMBDA, "learningRate": LEARNING_RATE, "loss": losses}
    (FOLDER / "case.json").write_text(json.dumps(described) + "\n")


main()
