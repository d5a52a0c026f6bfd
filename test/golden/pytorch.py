"""Writes small PyTorch files and what is in them, for pytorch.test.ts.

    python test/golden/pytorch.py            # needs torch and safetensors

Every file `NAME.pt` is written by torch.save, every `NAME.json` lists dtype, shape and values of the tensors
a reader must find, computed by torch itself. Run with torch 2.15.0 and safetensors 0.8.0.
"""
import collections
import json
import pathlib

import torch
from safetensors.torch import save_file, save_model

FOLDER = pathlib.Path(__file__).parent / "pytorch"
DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.uint8: "U8", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32", torch.int64: "I64",
    torch.bool: "BOOL",
}


def describe(tensors):
    return {
        name: {
            "dtype": DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "values": tensor.detach().to(torch.float64).flatten().tolist(),
        }
        for name, tensor in tensors.items()
    }


def save(name, value, tensors, **options):
    torch.save(value, FOLDER / f"{name}.pt", **options)
    (FOLDER / f"{name}.json").write_text(json.dumps(describe(tensors), separators=(",", ":")) + "\n")


def main():
    torch.manual_seed(7)
    FOLDER.mkdir(exist_ok=True)

    every = collections.OrderedDict(
        (str(dtype).removeprefix("torch."), torch.tensor([0, 1, 1, 0, 1, 1]).reshape(2, 3).to(dtype))
        for dtype in DTYPES
    )
    every["normal"] = torch.randn(3, 5)
    every["normal_bf16"] = torch.randn(3, 5).bfloat16()
    every["normal_f16"] = torch.randn(3, 5).half()
    every["scalar"] = torch.tensor(2.5)
    every["empty"] = torch.zeros(0, 3)
    every["parameter"] = torch.nn.Parameter(torch.randn(4))
    save("dtypes", every, every)

    whole = torch.arange(24.0).reshape(2, 3, 4)
    views = {
        "whole": whole, "transposed": whole.transpose(0, 2), "permuted": whole.permute(1, 2, 0),
        "row": whole[1], "column": whole[:, :, 1], "strided": whole[:, ::2, 1::2], "expanded": whole[0, :1].expand(3, 4),
        "narrow_bf16": torch.arange(10.0).bfloat16()[3:7], "turned_i16": torch.arange(6, dtype=torch.int16).reshape(2, 3).t(),
        "turned_bool": torch.tensor([[True, False, True], [False, False, True]]).t(),
        "turned_f64": torch.arange(6, dtype=torch.float64).reshape(3, 2).t(), "same": whole,
    }
    save("views", views, views)
    save("legacy", views, views, _use_new_zipfile_serialization=False)

    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 2), torch.nn.BatchNorm2d(3), torch.nn.Flatten(), torch.nn.Linear(3, 2)
    )
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.randn(4, 2, 2, 2)).sum().backward()
    optimizer.step()
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 2])
    training = {
        "epoch": 3, "best": 0.75, "note": "größer", "done": False, "nothing": None,
        "state_dict": collections.OrderedDict((f"module.{k}", v) for k, v in module.state_dict().items()),
        "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
        "device": torch.device("cpu"), "dtype": torch.bfloat16, "size": torch.Size([1, 2]), "tags": {"a", "b"},
        "rng": torch.get_rng_state()[:8].clone(), "big": 2**40, "negative": -5, "bytes": b"\x00\xff",
    }
    save("training", training, module.state_dict())
    save("training-legacy", training, module.state_dict(), _use_new_zipfile_serialization=False)

    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = torch.nn.Embedding(3, 2)
            self.head = torch.nn.Linear(2, 3, bias=False)
            self.head.weight = self.embed.weight

    attributed = torch.arange(3.0)
    attributed.note = 1
    odd = {"attributed": attributed, "attributed_parameter": torch.nn.Parameter(torch.ones(2))}
    odd["attributed_parameter"].note = 2
    save("attributes", odd, odd)
    tied = Tied()
    save("tied", tied.state_dict(), tied.state_dict())
    save_model(tied, FOLDER / "tied.safetensors")
    save_file({k: v.contiguous().clone() for k, v in every.items()}, FOLDER / "dtypes.safetensors", {"format": "pt"})

    # What no reader of weights may accept: a whole Python object, and a program.
    torch.save(module, FOLDER / "object.pt")
    torch.jit.save(torch.jit.trace(torch.nn.Linear(1, 1), torch.ones(1)), FOLDER / "script.pt")
    torch.save({"w": torch.ones(2)}, FOLDER / "protocol4.pt", pickle_protocol=4)
    torch.save({"w": torch.ones(2, dtype=torch.complex64)}, FOLDER / "complex.pt")
    torch.save({"w": torch.ones(2).to_sparse()}, FOLDER / "sparse.pt")
    torch.save({"w": torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8)}, FOLDER / "quantised.pt")


if __name__ == "__main__":
    main()
