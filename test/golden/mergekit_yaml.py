"""Writes the models and expected results of test/golden/mergekit-yaml/ by running mergekit itself:
python3 test/golden/mergekit_yaml.py (needs mergekit 0.1; only its outputs are kept).

The models have the shapes of LLaMA, with four tiny layers, and fp32 values without equal magnitudes, so
that no rule depends on how ties are broken or on rounding to 16 bits.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

FOLDER = Path(__file__).parent / "mergekit-yaml"
WIDTH, INNER, VOCABULARY, LAYERS = 4, 6, 10, 4


def shapes():
    yield "model.embed_tokens.weight", [VOCABULARY, WIDTH]
    for layer in range(LAYERS):
        start = f"model.layers.{layer}."
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield f"{start}{name}.weight", [WIDTH]
        for name in "qkvo":
            yield f"{start}self_attn.{name}_proj.weight", [WIDTH, WIDTH]
        yield f"{start}mlp.gate_proj.weight", [INNER, WIDTH]
        yield f"{start}mlp.up_proj.weight", [INNER, WIDTH]
        yield f"{start}mlp.down_proj.weight", [WIDTH, INNER]
    yield "model.norm.weight", [WIDTH]
    yield "lm_head.weight", [VOCABULARY, WIDTH]


def write_model(name, seed, base=None):
    generator = torch.Generator().manual_seed(seed)
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for key, shape in shapes():
        values = torch.randn(shape, generator=generator)
        tensors[key] = 0.1 * values if base is None else base[key] + 0.02 * values
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "max_position_embeddings": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-05,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "vocab_size": VOCABULARY,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return tensors


base = write_model("base", 0)
write_model("a", 1, base)
write_model("b", 2, base)

program = Path(sys.executable).parent / "mergekit-yaml"
scratch = FOLDER / "scratch"
for recipe in sorted(FOLDER.glob("*.yml")):
    command = [program, recipe.name, scratch, "--no-copy-tokenizer", "--no-write-model-card"]
    subprocess.run(command, cwd=FOLDER, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    shutil.move(scratch / "model.safetensors", FOLDER / f"{recipe.stem}.safetensors")
    shutil.rmtree(scratch)
