"""E-WEMoE, rank-r WEMoE, Twin-Merging and SMILE in NumPy, image by image: the fixtures of dynamic.test.ts.

    pip install numpy safetensors
    python test/golden/dynamic.py

Written from the papers' formulas without any of the shortcuts of the product: whole weight sets are made for
every image, tokens are routed one at a time. Base, experts and images are those of adaptation.py. Everything in
float64; routers are drawn here.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

HERE = Path(__file__).parent
FOLDER = HERE / "dynamic"
GIVEN = json.loads((HERE / "adaptation" / "cases.json").read_text())
CONFIG = GIVEN["config"]
D, HEADS, PATCH = CONFIG["hidden_size"], CONFIG["num_attention_heads"], CONFIG["patch_size"]
LAYERS = CONFIG["num_hidden_layers"]
LAMBDA = 0.3
inputs = {k: v.astype(np.float64) for k, v in load_file(HERE / "adaptation" / "inputs.safetensors").items()}
part = lambda prefix: {k[len(prefix) + 1 :]: v for k, v in inputs.items() if k.startswith(prefix + "/")}
base, experts = part("base"), [part("expert0"), part("expert1")]
K = len(experts)
random = np.random.default_rng(11)
tau = lambda name: [e[name] - base[name] for e in experts]
arithmetic = {n: w + LAMBDA * sum(tau(n)) for n, w in base.items()}

mean, deviation = (np.array(GIVEN["normalisation"][k]) for k in ("mean", "deviation"))
pixels = np.concatenate([inputs["pixels/0"], inputs["pixels/1"]])
images = ((pixels / 255 - mean) / deviation).transpose(0, 3, 1, 2)

softmax = lambda x: np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)
standard = lambda x: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
ROOT = "vision_model"
BLOCK = lambda l: f"{ROOT}.encoder.layers.{l}"
ATTENTION = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"]
MLP = ["mlp.fc1", "mlp.fc2"]


def forward(image, weights, layer=None, before=None):
    """Features and last hidden state of one image. `before(name, x)` hears the inputs of norms' readers first and may
    change `weights`; `layer(name, x)` replaces linear layers of the blocks."""
    w = weights
    dense = lambda name, x: x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
    linear = layer or dense
    norm = lambda name, x: standard(x) * w[f"{name}.weight"] + w[f"{name}.bias"]
    side = image.shape[1] // PATCH
    patches = [
        image[:, r * PATCH : (r + 1) * PATCH, c * PATCH : (c + 1) * PATCH].ravel()
        for r in range(side)
        for c in range(side)
    ]
    kernel = w[f"{ROOT}.embeddings.patch_embedding.weight"].reshape(D, -1)
    x = np.stack([w[f"{ROOT}.embeddings.class_embedding"], *(kernel @ p for p in patches)])
    x = norm(f"{ROOT}.pre_layrnorm", x + w[f"{ROOT}.embeddings.position_embedding.weight"])
    for l in range(LAYERS):
        p = BLOCK(l)
        u = norm(f"{p}.layer_norm1", x)
        if before:
            before(l, "block", u)
        q, k, v = (linear(f"{p}.self_attn.{n}_proj", u) for n in "qkv")
        size = D // HEADS
        mixed = np.concatenate(
            [
                softmax(q[:, h : h + size] @ k[:, h : h + size].T / np.sqrt(size)) @ v[:, h : h + size]
                for h in range(0, D, size)
            ],
            axis=1,
        )
        x = x + linear(f"{p}.self_attn.out_proj", mixed)
        u = norm(f"{p}.layer_norm2", x)
        if before:
            before(l, "mlp", u)
        z = linear(f"{p}.mlp.fc1", u)
        x = x + linear(f"{p}.mlp.fc2", z / (1 + np.exp(-1.702 * z)))
    return norm(f"{ROOT}.post_layernorm", x[0]), x


def low_rank(matrix, rank):
    flat = matrix.reshape(len(matrix), -1)
    u, s, vt = np.linalg.svd(flat, full_matrices=False)
    return ((u[:, :rank] * s[:rank]) @ vt[:rank]).reshape(matrix.shape)


def route(values, prefix, u):
    get = lambda name: values[f"routers.{prefix}.{name}"]
    if f"routers.{prefix}.fc1.weight" in values:
        u = np.maximum(u @ get("fc1.weight").T + get("fc1.bias"), 0)
    return (u @ get("fc2.weight").T + get("fc2.bias")).mean(0)


def routers(prefixes, depth, last=LAMBDA):
    values = {}
    for p in prefixes:
        if depth == 2:
            values[f"routers.{p}.fc1.weight"] = random.normal(0, 0.3, (D, D))
            values[f"routers.{p}.fc1.bias"] = random.normal(0, 0.1, D)
        values[f"routers.{p}.fc2.weight"] = random.normal(0, 0.2, (K, D))
        values[f"routers.{p}.fc2.bias"] = random.normal(0, 0.1, K) + last
    return {k: v.astype(np.float32).astype(np.float64) for k, v in values.items()}


def mixed_blocks(values, names, where, change, shared):
    """Every image has weights base + Σ λk change_k in the layers `names` of each block, from the router at `where`."""
    features, routing = [], []
    for image in images:
        weights, log = dict(arithmetic), []

        def before(l, place, u, weights=weights, log=log):
            if place != where:
                return
            lambdas = route(values, "shared" if shared else l, u)
            log.append(lambdas)
            for n in names:
                for kind in ("weight", "bias"):
                    name = f"{BLOCK(l)}.{n}.{kind}"
                    weights[name] = base[name] + sum(c * t for c, t in zip(lambdas, change(name)))

        features.append(forward(image, weights, before=before)[0])
        routing.append(log)
    return np.array(features), np.array(routing)


def e_wemoe(density):
    values = routers(["shared"], 2)

    def pruned(name):
        return [np.where(np.abs(t) > np.quantile(np.abs(t), 1 - density), t, 0) for t in tau(name)]

    return values, *mixed_blocks(values, MLP, "mlp", pruned, True)


def rank_wemoe(rank, routed):
    values = routers(range(LAYERS), 1)
    names = MLP if routed == "mlp" else ATTENTION + MLP
    change = lambda name: [low_rank(t, rank) if name.endswith("weight") else t for t in tau(name)]
    return values, *mixed_blocks(values, names, routed, change, False)


def twin_model(density):
    exclusive = []
    for e in experts:
        changes = {}
        for name, shared in arithmetic.items():
            matrix = (e[name] - shared).reshape(len(shared), -1)
            is_layer = name.endswith("weight") and "norm" not in name and "position" not in name
            rank = max(1, int(density * min(matrix.shape)))
            changes[name] = low_rank(e[name] - shared, rank) if is_layer else e[name] - shared
        exclusive.append(changes)
    return exclusive


def twin_choice(values):
    return [softmax(route(values, 0, standard(forward(x, arithmetic)[1].mean(0))[None])) for x in images]


def twin(density):
    values = routers([0], 1, last=0)
    exclusive = twin_model(density)
    choices = twin_choice(values)
    features = [
        forward(x, {n: w + sum(c * v[n] for c, v in zip(choice, exclusive)) for n, w in arithmetic.items()})[0]
        for x, choice in zip(images, choices)
    ]
    return values, np.array(features), np.array(choices)[:, None]


def twin_loss(values):
    """Cross-entropy of the shares and the task of each image, summed over tasks, averaged over their images."""
    choices = np.array(twin_choice(values))
    count = len(images) // K
    return -sum(np.log(choices[k * count : (k + 1) * count, k]).mean() for k in range(K))


def differences(values, step=1e-5):
    gradient = {}
    for name, value in values.items():
        gradient[name] = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            ends = []
            for sign in (1, -1):
                moved = {n: v.copy() for n, v in values.items()}
                moved[name][index] += sign * step
                ends.append(twin_loss(moved))
            gradient[name][index] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def smile(rank, gate, top):
    features, routing = [], []
    for image in images:
        shares = np.zeros((LAYERS, K))

        def layer(name, x, shares=shares):
            l = int(name.split(".")[3])
            svd = [np.linalg.svd(t, full_matrices=False) for t in tau(f"{name}.weight")]
            rows = []
            for token in x:
                y = base[f"{name}.weight"] @ token + base[f"{name}.bias"]
                gates = np.array([np.linalg.norm(vt[:gate] @ token) for _, _, vt in svd])
                chosen = np.argsort(-gates)[:top]
                weights = softmax(gates)[chosen]
                for k, share in zip(chosen, weights / weights.sum()):
                    u, s, vt = svd[k]
                    y = y + share * ((u[:, :rank] * s[:rank]) @ (vt[:rank] @ token) + tau(f"{name}.bias")[k])
                    shares[l, k] += share / len(x) / 6
                rows.append(y)
            return np.array(rows)

        features.append(forward(image, base, layer=layer)[0])
        routing.append(shares)
    return {}, np.array(features), np.array(routing)


CASES = {
    "e_wemoe": ({"density": 0.25, "router_layers": 2}, lambda: e_wemoe(0.25)),
    "rank_wemoe_mlp": ({"rank": 3, "routed": "mlp", "router_layers": 1}, lambda: rank_wemoe(3, "mlp")),
    "rank_wemoe_block": ({"rank": 2, "routed": "block", "router_layers": 1}, lambda: rank_wemoe(2, "block")),
    "twin_merging": ({"density": 0.4, "router_layers": 1}, lambda: twin(0.4)),
    "smile": ({"rank": 3, "gate": 2}, lambda: smile(3, 2, 1)),
    "smile_top": ({"rank": 3, "gate": 1, "top": 2}, lambda: smile(3, 1, 2)),
}

FOLDER.mkdir(exist_ok=True)
described = []
for name, (parameters, compute) in CASES.items():
    values, features, routing = compute()
    tensors = {"features": features, "routing": routing, **{f"value/{k}": v for k, v in values.items()}}
    if name == "twin_merging":
        tensors["loss"] = np.array([twin_loss(values)])
        tensors.update({f"gradient/{k}": v for k, v in differences(values).items()})
    save_file({k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()}, FOLDER / f"{name}.safetensors")
    method = next(m for m in ("e_wemoe", "rank_wemoe", "twin_merging", "smile") if name.startswith(m))
    described.append({"name": name, "method": method, "parameters": parameters})
(FOLDER / "cases.json").write_text(json.dumps(described, indent=2) + "\n")
