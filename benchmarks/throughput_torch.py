"""Worker of `throughput.py TASK` in PyTorch's environment: the same network and step, channels-last, fp32 and bf16 autocast, eager and compiled."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch_variants
from throughput_tasks import TASKS, Task
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH, DEPTH = 32, 3
STAGES = (64, 128, 256, 512)


def convolutions(channels: int, filters: int) -> nn.Sequential:
    """Twice: 3x3 convolution, batch normalisation, ReLU."""
    parts: list[nn.Module] = []
    for source in (channels, filters):
        parts += [nn.Conv2d(source, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters, eps=1e-3), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts)


class UNet(nn.Module):
    """kvision's U-Net with transposed convolutions."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        levels = [WIDTH * 2**level for level in range(DEPTH)]
        self.encoder = nn.ModuleList(convolutions(source, filters) for source, filters in zip([3, *levels], levels, strict=False))
        self.bottom = convolutions(levels[-1], levels[-1] * 2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(filters * 2, filters, 2, stride=2) for filters in levels)
        self.decoder = nn.ModuleList(convolutions(filters * 2, filters) for filters in levels)
        self.logits = nn.Conv2d(WIDTH, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images `[B, 3, S, S]` to logits `[B, K, S, S]`."""
        ends = []
        for level in self.encoder:
            x = level(x)
            ends.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for up, level, end in zip(reversed(self.up), reversed(self.decoder), reversed(ends), strict=True):
            x = level(torch.cat([end, up(x)], 1))
        return self.logits(x)


class Block(nn.Module):
    """Two 3x3 convolutions, added to their input."""

    def __init__(self, channels: int, filters: int, stride: int) -> None:
        super().__init__()
        self.learned = nn.Sequential(
            nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(filters),
            nn.ReLU(inplace=True),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters),
        )
        projection = (nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))
        self.skip = nn.Sequential(*(() if channels == filters else projection))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[B, C, S, S]` to `[B, filters, S / stride, S / stride]`."""
        return functional.relu(self.learned(x) + self.skip(x), inplace=True)


class ResNet18(nn.Sequential):
    """kvision's ResNet-18 for small pictures, of 11.17 million parameters for ten classes."""

    def __init__(self, classes: int) -> None:
        parts: list[nn.Module] = [nn.Conv2d(3, STAGES[0], 3, padding=1, bias=False), nn.BatchNorm2d(STAGES[0]), nn.ReLU(inplace=True)]
        for channels, filters in zip((STAGES[0], *STAGES), STAGES, strict=False):
            parts += [Block(channels, filters, 1 if channels == filters else 2), Block(filters, filters, 1)]
        super().__init__(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(STAGES[-1], classes))


NETS = {"unet": UNet, "resnet18": ResNet18}
OPTIMIZERS = {
    "unet": partial(torch.optim.AdamW, lr=1e-3, weight_decay=0.004, fused=True),
    "resnet18": partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4, fused=True),
}
"""Those of kvision's recipes."""


def trainer(name: str, task: Task, *, bf16: bool, compiled: bool) -> Callable[[int], None]:
    """A function that trains so many steps."""
    torch.manual_seed(0)
    net = NETS[name](task.classes).to(memory_format=torch.channels_last)
    task.check(sum(parameter.numel() for parameter in net.parameters()))
    optimizer = OPTIMIZERS[name](net.parameters())
    image = torch.randn(task.batch, 3, task.size_px, task.size_px).to(memory_format=torch.channels_last)
    target = torch.randint(0, task.classes, (task.batch, task.size_px, task.size_px) if task.dense else (task.batch,))
    forward = torch.compile(net) if compiled else net

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = forward(image)
            loss = functional.cross_entropy(logits.float(), target)
            loss.backward()
            optimizer.step()
        loss.item()

    return run


if __name__ == "__main__":
    torch_variants.run(partial(trainer, sys.argv[1], TASKS[sys.argv[1]]))
