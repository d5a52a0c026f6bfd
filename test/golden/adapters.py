"""Writes LoRA adapters with PEFT and a CLIP model with OpenCLIP, for adapters.test.ts.

    python test/golden/adapters.py   # needs torch, safetensors, peft, transformers, open_clip_torch

adapters/base.safetensors is a small model of every kind of layer LoRA knows; adapters/NAME are PEFT's own folders;
adapters/NAME.safetensors is what PEFT's merge_and_unload makes of it (fp64, stored as fp32). clip/open_clip.safetensors and
clip/hugging_face.safetensors are one CLIP model in two layouts; the script asserts that both give the same
features. Run with torch 2.15.0, peft, transformers and open_clip_torch of the same month.
"""
import copy
import pathlib
import shutil

import torch
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel
from transformers.pytorch_utils import Conv1D

HERE = pathlib.Path(__file__).parent


class Layers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(7, 6)
        self.first = torch.nn.Linear(6, 5)
        self.second = torch.nn.Linear(5, 4)
        self.conv = torch.nn.Conv2d(2, 3, (2, 3))
        self.turned = Conv1D(5, 4)
        self.norm = torch.nn.LayerNorm(4)


def state(model):
    return {name: value.detach().float().contiguous().clone() for name, value in model.state_dict().items()}


def adapter(base, name, **options):
    folder = HERE / "adapters" / name
    shutil.rmtree(folder, ignore_errors=True)
    options = {"init_lora_weights": False, **options}
    model = get_peft_model(copy.deepcopy(base), LoraConfig(**options))
    for key, value in model.named_parameters():
        if "lora_" in key or "modules_to_save" in key or (key.endswith("bias") and options.get("bias")):
            value.data = torch.randn_like(value) * 0.5
    model.float()
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    if options.get("use_dora"):
        return
    merged = model.double().merge_and_unload()
    save_file(state(merged), HERE / "adapters" / f"{name}.safetensors")


def adapters():
    torch.manual_seed(3)
    base = Layers()
    (HERE / "adapters").mkdir(exist_ok=True)
    save_file(state(base), HERE / "adapters" / "base.safetensors")
    adapter(base, "linear", r=2, lora_alpha=3, target_modules=["first", "second"])
    adapter(base, "patterns", r=2, lora_alpha=3, target_modules=["first", "second"], use_rslora=True,
            rank_pattern={"second": 3}, alpha_pattern={"first": 5}, bias="all", modules_to_save=["norm"])
    adapter(base, "convolution", r=2, lora_alpha=4, target_modules=["conv", "embed"])
    adapter(base, "turned", r=2, lora_alpha=1, target_modules=["turned"], fan_in_fan_out=True)
    adapter(base, "dora", r=2, lora_alpha=1, target_modules=["first"], use_dora=True)


def hugging_face_names(source):
    """An own conversion, by hand, of the names of this one model."""
    result = {}
    for name, value in source.items():
        tower, rest = ("vision", name[7:]) if name.startswith("visual.") else ("text", name)
        if rest.startswith("transformer.resblocks."):
            number, rest = rest[len("transformer.resblocks."):].split(".", 1)
            stem = f"{tower}_model.encoder.layers.{number}."
            if "in_proj" in rest:
                for letter, part in zip("qkv", value.chunk(3)):
                    result[f"{stem}self_attn.{letter}_proj.{rest.rsplit('_', 1)[1]}"] = part
                continue
            for old, new in (("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("attn.", "self_attn."),
                             ("c_fc", "fc1"), ("c_proj", "fc2")):
                rest = rest.replace(old, new)
            result[stem + rest] = value
        elif rest in ("proj", "text_projection"):
            result["visual_projection.weight" if rest == "proj" else "text_projection.weight"] = value.T
        elif rest == "logit_scale":
            result[rest] = value
        else:
            for old, new in (("class_embedding", "embeddings.class_embedding"), ("conv1", "embeddings.patch_embedding"),
                             ("positional_embedding", "embeddings.position_embedding.weight"), ("ln_pre", "pre_layrnorm"),
                             ("ln_post", "post_layernorm"), ("token_embedding", "embeddings.token_embedding"), ("ln_final", "final_layer_norm")):
                rest = rest.replace(old, new)
            result[f"{tower}_model.{rest}"] = value
    return {name: value.contiguous().clone() for name, value in result.items()}


def clip():
    torch.manual_seed(4)
    vision = CLIPVisionCfg(layers=2, width=8, head_width=4, patch_size=4, image_size=8)
    text = CLIPTextCfg(context_length=5, vocab_size=16, width=8, heads=2, layers=2)
    model = CLIP(6, vision, text).eval()
    for value in model.parameters():
        value.data += torch.randn_like(value) * 0.1
    source = state(model)
    source.pop("attn_mask", None)
    converted = hugging_face_names(source)
    (HERE / "clip").mkdir(exist_ok=True)
    save_file(source, HERE / "clip" / "open_clip.safetensors")
    save_file(converted, HERE / "clip" / "hugging_face.safetensors")
    shape = {"hidden_size": 8, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "gelu", "projection_dim": 6}
    other = CLIPModel(CLIPConfig(
        vision_config={**shape, "image_size": 8, "patch_size": 4}, projection_dim=6,
        text_config={**shape, "vocab_size": 16, "max_position_embeddings": 5, "eos_token_id": 15})).eval()
    other.load_state_dict(converted, strict=True)
    images, tokens = torch.randn(2, 3, 8, 8), torch.tensor([[1, 2, 3, 4, 15]])
    pooled = lambda output: output if torch.is_tensor(output) else output.pooler_output
    with torch.no_grad():
        torch.testing.assert_close(model.encode_image(images), pooled(other.get_image_features(images)), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(model.encode_text(tokens), pooled(other.get_text_features(tokens)), atol=1e-5, rtol=1e-4)


if __name__ == "__main__":
    adapters()
    clip()
