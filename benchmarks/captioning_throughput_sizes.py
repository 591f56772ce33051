"""Sizes that all workers of `captioning_throughput.py` share. Standard library only, for PyTorch's environment has nothing of kvision."""

from __future__ import annotations

BATCH, STEPS, PLACES, FEATURES, UNITS, ATTENTION, EMBEDDING, WORDS = 32, 20, 49, 256, 512, 512, 512, 5000
RATE, DECAY = 1e-3, 0.004
PARAMETERS = 8_536_457
"""Of the decoder, with the layer that makes the attention's keys of the features; all workers check it."""


def check(parameters: int) -> None:
    """Raises `ValueError` if a network has another number of trained parameters."""
    if parameters != PARAMETERS:
        raise ValueError(f"{parameters:,} trained parameters, the others have {PARAMETERS:,}")
