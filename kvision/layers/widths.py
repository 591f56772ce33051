"""Numbers of channels: rounded as networks for devices have them, and what divides them. No TensorFlow here."""

from __future__ import annotations


def divisible(channels: float, by: int = 8) -> int:
    """The nearest multiple of `by`, but never less than nine tenths of the channels that were wanted."""
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded if rounded >= 0.9 * channels else rounded + by


def divisor(number: int, below: int) -> int:
    """The largest divisor of `number` that is less than `below`, which is at least 2."""
    return max(each for each in range(1, below) if number % each == 0)
