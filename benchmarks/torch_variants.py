"""The variants of a PyTorch worker: fp32 and bf16 autocast, eager and compiled."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Protocol

import torch
from race import serve

if TYPE_CHECKING:
    from collections.abc import Callable


class Make(Protocol):
    """Makes a variant: what runs so many steps."""

    def __call__(self, *, bf16: bool, compiled: bool) -> Callable[[int], object]:
        """In bf16 autocast or fp32, by torch.compile or eager."""


def run(make: Make) -> None:
    """Serves all variants that this machine can run; `--no-compile` on the command line leaves the compiled ones out."""
    torch.set_num_threads(int(os.environ.get("BENCHMARK_THREADS", 0)) or len(os.sched_getaffinity(0)))
    choices = {f"torch {'bf16' if bf16 else 'fp32'}": make(bf16=bf16, compiled=False) for bf16 in (False, True)}
    if "--no-compile" not in sys.argv:
        for bf16 in (False, True):
            name = f"torch {'bf16' if bf16 else 'fp32'} compile"
            try:
                variant = make(bf16=bf16, compiled=True)
                variant(1)
                choices[name] = variant
            except Exception as error:  # whatever torch.compile lacks on this machine
                print(f"{name}: left out, {type(error).__name__}: {str(error).splitlines()[0][:200]}", file=sys.stderr)
    serve(choices)
