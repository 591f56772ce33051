"""Channels rounded to multiples, and their divisors."""

from __future__ import annotations

import pytest

from kvision.layers.widths import divisible, divisor


@pytest.mark.parametrize(
    ("wanted", "by", "rounded"), [(3, 8, 8), (12, 8, 16), (11.9, 8, 16), (35, 8, 32), (36, 8, 40), (92, 8, 96), (10, 8, 16), (9, 2, 10)]
)
def test_channels_are_rounded_but_never_a_tenth_down(wanted: float, by: int, rounded: int) -> None:
    assert divisible(wanted, by) == rounded


@pytest.mark.parametrize(("number", "below", "expected"), [(96, 36, 32), (7, 5, 1), (12, 12, 6), (12, 2, 1)])
def test_the_largest_divisor_below(number: int, below: int, expected: int) -> None:
    assert divisor(number, below) == expected
