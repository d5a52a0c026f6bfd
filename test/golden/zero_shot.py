"""Tiny random CLIP models, both towers, by PyTorch and transformers: the fixtures of zero-shot.test.ts.

    pip install torch 'transformers>=5' safetensors
    python test/golden/zero_shot.py [bpe_simple_vocab_16e6.txt.gz]

Every case is one folder zero-shot/NAME: a model folder as people have them (config.json, weights, tokenizer
files), and beside it expected.json (texts with their token ids, class names, templates, predictions) and
expected.safetensors (images, features of images and texts, zero-shot weights, logits, in float64).

With CLIP's own merges at hand (they are inside the packages clip and open_clip_torch), zero-shot/openai-tokens is
written too: texts with the ids that CLIP's tokenizer gives, and of its vocabulary the part these texts use.
"""

import gzip
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

FOLDER = Path(__file__).parent / "zero-shot"
START, END = "<|startoftext|>", "<|endoftext|>"

PROMPTS = {
    "classes": ["cat", "traffic sign, 80 km/h", "café", "brushland or shrubland", "7"],
    "templates": ["a photo of a {}.", 'a close-up of the "{}"!', "{}"],
}
TEXTS = [
    "a photo of a cat.",
    "",
    "   two   spaces,\ttabs\nand lines ",
    "It's the dogs' house; they'll've DON'T",
    "ΣΑΣ and ΟΔΟΣ: a final sigma",
    "İstanbul, naïve café, e\u0301 is é",
    "日本語 ½ ² Ⅷ ① ٣",
    "👩‍👩‍👧 🏳️‍🌈 ok",
    "<|endoftext|> in a <|startoftext|> text",
    "a_b--c///d...?!",
    "12345 a1b2",
    "\u00a0wide\u3000spaces\u200b",
    " ".join(["word"] * 100),
    "supercalifragilistic" * 3,
]


def byte_alphabet() -> list[str]:
    """The characters that stand for the 256 bytes in GPT-2's and CLIP's vocabularies, in their order."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + i) for i in range(len(others))]


def vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    alphabet = byte_alphabet()
    tokens = [*alphabet, *(c + "</w>" for c in alphabet), *(a + b for a, b in merges), START, END]
    return {token: index for index, token in enumerate(tokens)}


TINY_MERGES = [
    tuple(line.split())
    for line in """t h|a n|th e</w>|o f</w>|p h|ph o|pho t|phot o</w>|c a|ca t</w>|o r</w>|s h|l an|lan d</w>
b r|u s|br us|brus h|brush land</w>|s i|si g|sig n</w>|i n|r a|f f|t ra|tra ff|i c</w>|traff ic</w>|w o|wo r|wor d</w>
Ã ©</w>|f Ã©</w>|ca fÃ©</w>|d o|do g|' s</w>|. . |Ï ĥ""".replace("\n", "|").split("|")
    if len(line.split()) == 2
]

TEXT = dict(hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3)
VISION = dict(
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    image_size=8,
    patch_size=4,
)
# name, text settings, vision settings, features, saved as
CASES = [
    (
        "openai-style",
        dict(TEXT, hidden_act="quick_gelu", max_position_embeddings=24, eos_token_id=2),
        dict(VISION, hidden_act="quick_gelu"),
        10,
        "safetensors",
    ),
    (
        "later-style",
        dict(TEXT, hidden_act="gelu", max_position_embeddings=40, num_hidden_layers=3),
        dict(VISION, hidden_act="gelu", layer_norm_eps=0.01),
        7,
        "pickle",
    ),
]


def randomise(model: torch.nn.Module, generator: torch.Generator) -> None:
    """Weights away from their initial values, so that no bias or scale goes untested."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator) * 0.3
            scale = "norm" in name and name.endswith(".weight")
            parameter.copy_(1 + noise if scale else noise)
        model.logit_scale.fill_(3.2)


def features(output) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else output.pooler_output


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=-1, keepdim=True)


def save_weights(model: CLIPModel, folder: Path, form: str) -> None:
    weights = {k: v.clone() for k, v in model.state_dict().items() if not k.endswith("position_ids")}
    if form == "safetensors":
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
    else:
        torch.save(weights, folder / "pytorch_model.bin")


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def model_case(seed: int, name: str, text: dict, vision: dict, width: int, form: str) -> None:
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    vocab = vocabulary(TINY_MERGES)
    tokenizer = CLIPTokenizer(vocab=vocab, merges=TINY_MERGES)
    ids = dict(vocab_size=len(vocab), bos_token_id=vocab[START], pad_token_id=vocab[END])
    text = {"eos_token_id": vocab[END], **text, **ids}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=width)
    model = CLIPModel(config).eval()
    generator = torch.Generator().manual_seed(seed)
    randomise(model, generator)
    images = torch.randn((6, 3, vision["image_size"], vision["image_size"]), generator=generator)

    write_json(
        folder / "config.json",
        {
            "architectures": ["CLIPModel"],
            "model_type": "clip",
            "projection_dim": width,
            "text_config": text,
            "vision_config": vision,
        },
    )
    save_weights(model, folder, form)
    if form == "safetensors":
        tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    else:
        write_json(folder / "vocab.json", vocab)
        merges = "\n".join(" ".join(pair) for pair in TINY_MERGES)
        (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")

    limit = text["max_position_embeddings"]

    def tokens(texts: list[str]):
        return tokenizer(texts, padding=True, truncation=True, max_length=limit, return_tensors="pt")

    model = model.double()
    with torch.no_grad():
        text_features = features(model.get_text_features(**tokens(TEXTS)))
        image_features = features(model.get_image_features(pixel_values=images.double()))
        rows = []
        for each in PROMPTS["classes"]:
            prompts = [template.format(each) for template in PROMPTS["templates"]]
            rows.append(unit(unit(features(model.get_text_features(**tokens(prompts)))).mean(0)))
        weight = torch.stack(rows)
        logits = model.logit_scale.exp() * unit(image_features) @ weight.T
    ids = [tokenizer(t, truncation=True, max_length=limit).input_ids for t in TEXTS]
    write_json(
        folder / "expected.json",
        {
            **PROMPTS,
            "limit": limit,
            "texts": [{"text": t, "ids": i} for t, i in zip(TEXTS, ids)],
            "predictions": logits.argmax(-1).tolist(),
        },
    )
    tensors = dict(
        images=images,
        image_features=image_features,
        text_features=text_features,
        weight=weight,
        logits=logits,
    )
    save_file(
        {k: v.float().contiguous() for k, v in tensors.items()}, folder / "expected.safetensors"
    )


def used_merges(tokenizer: CLIPTokenizer, texts: list[str], merges: list[tuple[str, str]]) -> list:
    """The merges that apply on the way to the tokens of `texts`, by a BPE of a few lines."""
    rank = {pair: index for index, pair in enumerate(merges)}
    backend = tokenizer.backend_tokenizer
    used = set()
    for text in texts:
        text = backend.normalizer.normalize_str(text)
        for word, _ in backend.pre_tokenizer.pre_tokenize_str(text):
            parts = [*word[:-1], word[-1] + "</w>"]
            while len(parts) > 1:
                pairs = [(rank.get(pair, len(rank)), pair) for pair in zip(parts, parts[1:])]
                best, pair = min(pairs)
                if best == len(rank):
                    break
                used.add(pair)
                joined, i = [], 0
                while i < len(parts):
                    match = tuple(parts[i : i + 2]) == pair
                    joined.append("".join(pair) if match else parts[i])
                    i += 2 if match else 1
                parts = joined
    return [pair for pair in merges if pair in used]


def openai_case(archive: str) -> None:
    lines = gzip.open(archive).read().decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
    vocab = vocabulary(merges)
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges)
    tasks = json.loads((Path(__file__).parents[2] / "assets/clip/tasks.json").read_text())
    texts = list(TEXTS)
    for task in tasks.values():
        for index, each in enumerate(task["classes"][:: max(1, len(task["classes"]) // 6)]):
            texts.append(task["templates"][index % len(task["templates"])].replace("{}", each))
    used = used_merges(tokenizer, texts, merges)
    kept = {*byte_alphabet(), *(c + "</w>" for c in byte_alphabet()), START, END}
    kept |= {a + b for a, b in used}
    folder = FOLDER / "openai-tokens"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(
        json.dumps({t: i for t, i in vocab.items() if t in kept}, ensure_ascii=False) + "\n"
    )
    joined = "\n".join(" ".join(pair) for pair in used)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{joined}\n")
    ids = [tokenizer(t, truncation=True, max_length=77).input_ids for t in texts]
    write_json(
        folder / "expected.json",
        {"limit": 77, "texts": [{"text": t, "ids": i} for t, i in zip(texts, ids)]},
    )


def main() -> None:
    for seed, case in enumerate(CASES):
        model_case(seed, *case)
    if len(sys.argv) > 1:
        openai_case(sys.argv[1])


main()
