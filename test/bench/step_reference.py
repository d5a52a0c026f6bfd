"""One adaptation step of WEMoE in PyTorch, for step.bench.ts to compare with.

    python test/bench/step_reference.py FOLDER VARIANT REDUCTION THREADS RUNS

VARIANT `fusion_bench` takes the WeightEnsemblingMoE of the package fusion-bench in the vision tower of transformers,
as its method does; `plain` is the mathematics of the product written as directly as PyTorch allows: the dictionary is
one matrix [K, P], a merge one product with it, per sample the images go through batched products. FOLDER holds
step.json and tensors.safetensors as the benchmark writes them. Prints one line of JSON for the product of matrices,
then one for each step.
"""

import json
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

folder, variant, reduction, threads, runs = sys.argv[1:]
folder, threads, runs = Path(folder), int(threads), int(runs)
torch.set_num_threads(threads)
shape = json.loads((folder / "step.json").read_text())
config, batch, K = shape["config"], shape["batch"], shape["experts"]
D, HEADS, LAYERS = config["hidden_size"], config["num_attention_heads"], config["num_hidden_layers"]
tensors = load_file(folder / "tensors.safetensors")
images, heads = tensors["images"], tensors["heads"][0]
BLOCK = lambda layer: f"vision_model.encoder.layers.{layer}"
MLP = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]


def timed(work):
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor


def peak(size=2048):
    a, b = torch.rand(size, size), torch.rand(size, size)
    best = min(timed(lambda: a @ b)[1:] for _ in range(4))
    return [2 * size**3 / seconds / 1e9 for seconds in best]


def entropy(features):
    """Mean entropy of the predictions for the features of the images."""
    logits = features / features.norm(dim=-1, keepdim=True) @ heads.T
    return -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1).mean()


def fusion_bench():
    from fusion_bench.models.we_moe import WeightEnsemblingMoE
    from transformers import CLIPVisionConfig, CLIPVisionModel
    from transformers.models.clip.modeling_clip import CLIPMLP

    names = ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size"]
    settings = CLIPVisionConfig(**{name: config[name] for name in names})
    model = CLIPVisionModel(settings).requires_grad_(False)
    own = model.state_dict()
    prefix = "" if next(iter(own)).startswith("vision_model.") else "vision_model."
    model.load_state_dict({name: tensors[prefix + name] for name in own if "position_ids" not in name}, strict=False)
    layers = model.get_submodule(("" if prefix else "vision_model.") + "encoder.layers")
    routers = []
    for index, layer in enumerate(layers):
        base, experts = CLIPMLP(settings), [CLIPMLP(settings) for _ in range(K)]
        for name in MLP:
            origin = tensors[f"{BLOCK(index)}.mlp.{name}"]
            base.get_parameter(name).data = origin
            rows = tensors[f"task_vectors/{BLOCK(index)}.mlp.{name}"]
            for expert, row in zip(experts, rows):
                # WeightEnsemblingMoE takes the difference itself.
                expert.get_parameter(name).data = origin + row.reshape(origin.shape)
        layer.mlp = WeightEnsemblingMoE(
            D, base, experts, 0.3, batch_first=True, router_hidden_layers=2, batch_reduce=reduction == "batch-mean"
        )
        gate = dict(layer.mlp.gate.named_parameters())
        for name, parameter in gate.items():
            parameter.data = tensors[f"routers.{index}.{name}"]
            routers.append(parameter)
    tensors.clear()
    model.train()
    return routers, lambda: entropy(model(images)[1])


def plain():
    width = D // HEADS
    routers = {name: value.requires_grad_() for name, value in tensors.items() if name.startswith("routers.")}
    w = tensors
    norm = lambda x, name: F.layer_norm(x, (D,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-5)
    linear = lambda x, name: F.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])

    def attention(x, name):
        q, k, v = (linear(x, f"{name}.{p}_proj").unflatten(-1, (HEADS, width)).transpose(1, 2) for p in "qkv")
        return linear(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2), f"{name}.out_proj")

    def mlp(u, layer):
        hidden = F.relu(F.linear(u, w[f"routers.{layer}.fc1.weight"], w[f"routers.{layer}.fc1.bias"]))
        mean = hidden.mean(1) if reduction == "per-sample" else hidden.mean((0, 1))
        lambdas = F.linear(mean, w[f"routers.{layer}.fc2.weight"], w[f"routers.{layer}.fc2.bias"])
        merged = []
        for name in MLP:
            origin = w[f"{BLOCK(layer)}.mlp.{name}"]
            parts = origin.flatten() + lambdas @ w[f"task_vectors/{BLOCK(layer)}.mlp.{name}"]
            merged.append(parts.reshape(-1, *origin.shape) if reduction == "per-sample" else parts.reshape(origin.shape))
        w1, b1, w2, b2 = merged
        if reduction == "batch-mean":
            z = F.linear(u, w1, b1)
            return F.linear(z * torch.sigmoid(1.702 * z), w2, b2)
        z = torch.baddbmm(b1[:, None], u, w1.mT)
        return torch.baddbmm(b2[:, None], z * torch.sigmoid(1.702 * z), w2.mT)

    root, embeddings = "vision_model", "vision_model.embeddings"

    def forward():
        patches = F.conv2d(images, w[f"{embeddings}.patch_embedding.weight"], stride=config["patch_size"])
        rows = patches.flatten(2).transpose(1, 2)
        first = w[f"{embeddings}.class_embedding"].expand(batch, 1, -1)
        x = norm(torch.cat([first, rows], 1) + w[f"{embeddings}.position_embedding.weight"], f"{root}.pre_layrnorm")
        for layer in range(LAYERS):
            x = x + attention(norm(x, f"{BLOCK(layer)}.layer_norm1"), f"{BLOCK(layer)}.self_attn")
            x = x + mlp(norm(x, f"{BLOCK(layer)}.layer_norm2"), layer)
        return entropy(norm(x[:, 0], f"{root}.post_layernorm"))

    return list(routers.values()), forward


print(json.dumps({"torch": torch.__version__, "gflops": peak()}), flush=True)
routers, forward = {"fusion_bench": fusion_bench, "plain": plain}[variant]()
for _ in range(runs):
    for parameter in routers:
        parameter.grad = None
    loss, forward_wall, forward_processor = timed(forward)
    _, backward_wall, backward_processor = timed(loss.backward)
    line = {
        "seconds": forward_wall + backward_wall,
        "processor": forward_processor + backward_processor,
        "forward": forward_wall,
        "loss": loss.item(),
        "gradient": torch.stack([p.grad.double().square().sum() for p in routers]).sum().sqrt().item(),
        "peakKibibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    print(json.dumps(line), flush=True)
    # Or its graph would live until the next one is made.
    del loss
