"""Worker of `throughput.py` in PyTorch's environment: the same U-Net and step, channels-last, fp32 and bf16 autocast, eager and compiled."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import torch
from race import serve
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE, BATCH, CLASSES, WIDTH, DEPTH = 128, 16, 11, 32, 3


def convolutions(channels: int, filters: int) -> nn.Sequential:
    """Twice: 3x3 convolution, batch normalisation, ReLU."""
    parts: list[nn.Module] = []
    for source in (channels, filters):
        parts += [nn.Conv2d(source, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters, eps=1e-3), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts)


class UNet(nn.Module):
    """kvision's U-Net with transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        levels = [WIDTH * 2**level for level in range(DEPTH)]
        self.encoder = nn.ModuleList(convolutions(source, filters) for source, filters in zip([3, *levels], levels, strict=False))
        self.bottom = convolutions(levels[-1], levels[-1] * 2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(filters * 2, filters, 2, stride=2) for filters in levels)
        self.decoder = nn.ModuleList(convolutions(filters * 2, filters) for filters in levels)
        self.logits = nn.Conv2d(WIDTH, CLASSES, 1)

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


def trainer(bf16: bool, compiled: bool) -> Callable[[int], None]:
    """A function that trains so many steps."""
    torch.manual_seed(0)
    net = UNet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.004, fused=True)
    image = torch.randn(BATCH, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    mask = torch.randint(0, CLASSES, (BATCH, SIZE, SIZE))
    forward = torch.compile(net) if compiled else net

    def run(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = forward(image)
            loss = functional.cross_entropy(logits.float(), mask)
            loss.backward()
            optimizer.step()
        loss.item()

    return run


if __name__ == "__main__":
    torch.set_num_threads(int(os.environ.get("BENCHMARK_THREADS", 0)) or len(os.sched_getaffinity(0)))
    choices = {f"torch {'bf16' if bf16 else 'fp32'}": trainer(bf16, compiled=False) for bf16 in (False, True)}
    if "--no-compile" not in sys.argv:
        for bf16 in (False, True):
            name = f"torch {'bf16' if bf16 else 'fp32'} compile"
            try:
                run = trainer(bf16, compiled=True)
                run(1)
                choices[name] = run
            except Exception as error:  # whatever torch.compile lacks on this machine
                print(f"{name}: left out, {type(error).__name__}: {str(error).splitlines()[0][:200]}", file=sys.stderr)
    serve(choices)
