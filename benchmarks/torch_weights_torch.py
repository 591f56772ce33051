"""The originals of `torch_weights.py`: networks of timm and torchvision with random weights, as files, and their logits of random pictures.

    python benchmarks/torch_weights_torch.py FOLDER timm:resnet18 torchvision:resnet18 ...

Needs torch, torchvision, timm and safetensors; `torch_weights.py --original PYTHON` starts it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

if "+cpu" in torch.__version__:  # PyPI's torchvision brings operations for CUDA's torch only; it asks for their names when it is imported
    for each in ("nms", "qnms"):
        torch.library.define(f"torchvision::{each}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

import timm
import torchvision

EXAMPLES = 2


def randomised(tensors: dict[str, torch.Tensor], generator: torch.Generator) -> dict[str, torch.Tensor]:
    """Kernels that keep the size of what goes through them; factors and variances between 0.5 and 1.5, offsets between -0.5 and 0.5."""
    made = {}
    for name, tensor in tensors.items():
        drawn = torch.rand(tensor.shape, generator=generator)
        if not tensor.is_floating_point():
            made[name] = tensor
        elif tensor.ndim > 1:
            made[name] = (drawn - 0.5) * (12 / max(1, tensor[0].numel())) ** 0.5
        else:
            made[name] = drawn + 0.5 if name.endswith(("weight", "running_var", "gamma")) else drawn - 0.5
    return made


def suit(net: torch.nn.Module) -> None:
    """Gives the batch normalisations the statistics of what goes through them, without which random networks hardly look at their pictures."""
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the mean over all batches, of which there is one
            layer.reset_running_stats()
    with torch.no_grad():
        net.train()(torch.randn((8, 3, 224, 224), generator=torch.Generator().manual_seed(1)))
    net.eval()


def write(folder: Path, given: str) -> None:
    """One network: `model.safetensors`, `config.json` where timm has one, `images.npy` `[B, S, S, 3]`, `logits.npy` and `transposed.npy` `[B, K]`."""
    package, name = given.split(":")
    torch.manual_seed(0)
    net = (timm.create_model(name) if package == "timm" else getattr(torchvision.models, name)(weights=None)).eval()
    net.load_state_dict(randomised(net.state_dict(), torch.Generator().manual_seed(0)))
    suit(net)
    folder.mkdir()
    save_file(net.state_dict(), folder / "model.safetensors")
    size_px = 224
    if package == "timm":
        settings = {key: net.pretrained_cfg[key] for key in ("mean", "std", "input_size")}
        (folder / "config.json").write_text(json.dumps({"architecture": name, "pretrained_cfg": settings}))
        size_px = settings["input_size"][-1]
    images = np.random.default_rng(0).normal(size=(EXAMPLES, size_px, size_px, 3)).astype(np.float32)
    np.save(folder / "images.npy", images)
    with torch.no_grad():
        for file, axes in (("logits", (0, 3, 1, 2)), ("transposed", (0, 3, 2, 1))):
            np.save(folder / f"{file}.npy", net(torch.from_numpy(images).permute(axes).contiguous()).numpy())


if __name__ == "__main__":
    out, *networks = sys.argv[1:]
    for number, network in enumerate(networks):
        write(Path(out) / str(number), network)
