"""Numbers of channels, as networks for devices round them. No TensorFlow here."""

from __future__ import annotations


def divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple of `by`, but never less than nine tenths of the channels that were wanted."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded if rounded >= 0.9 * channels else rounded + by
