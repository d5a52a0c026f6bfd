"""Features of tiny CLIP vision encoders, by PyTorch and transformers: the fixtures of vit.test.ts.

    pip install torch 'transformers>=4.40,<5' safetensors numpy
    python test/golden/vit.py

Every case is one folder vit/NAME with config.json and model.safetensors, which holds the weights
under their Hugging Face names and, beside them, `images` and the `features` they give (computed in
float64). Seeded: running it again writes the same bytes with the same versions.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, CLIPVisionModel, CLIPVisionModelWithProjection

FOLDER = Path(__file__).parent / "vit"

COMMON = dict(hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3)

# name, config, with projection
CASES = [
    ("quick-gelu", dict(COMMON, image_size=8, patch_size=4, hidden_act="quick_gelu"), False),
    # 11 pixels hold two patches of 4; the last three rows and columns are not seen.
    (
        "gelu-projection-cropped",
        dict(COMMON, image_size=11, patch_size=4, hidden_act="gelu", projection_dim=7),
        True,
    ),
    (
        "one-head-grey-large-epsilon",
        dict(
            COMMON,
            num_attention_heads=1,
            num_hidden_layers=3,
            num_channels=1,
            image_size=6,
            patch_size=2,
            hidden_act="quick_gelu",
            layer_norm_eps=0.01,
            projection_dim=16,
        ),
        True,
    ),
]


def randomise(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Weights away from their initial values, so that no bias or scale goes untested."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.3
            scale = "norm" in name and name.endswith(".weight")
            parameter.copy_(1 + noise if scale else noise)


def main() -> None:
    for seed, (name, settings, projected) in enumerate(CASES):
        config = CLIPVisionConfig(**settings)
        kind = CLIPVisionModelWithProjection if projected else CLIPVisionModel
        model = kind(config).eval()
        generator = torch.Generator().manual_seed(seed)
        randomise(model, generator)
        weights = {
            key: value.clone()
            for key, value in model.state_dict().items()
            if not key.endswith("position_ids")
        }
        side = settings["image_size"]
        shape = (3, settings.get("num_channels", 3), side, side)
        images = torch.randn(shape, generator=generator)
        with torch.no_grad():
            output = model.double()(images.double())
        features = output.image_embeds if projected else output.pooler_output

        folder = FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        described = {"architectures": [kind.__name__], "model_type": "clip_vision_model", **settings}
        (folder / "config.json").write_text(json.dumps(described, indent=2) + "\n")
        extra = {"images": images, "features": features.float()}
        save_file({**weights, **extra}, folder / "model.safetensors")


main()
