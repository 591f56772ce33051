"""Channels rounded to multiples."""

from __future__ import annotations

import pytest

from kvision.layers.widths import divisible


@pytest.mark.parametrize(
    ("wanted", "by", "rounded"), [(3, 8, 8), (12, 8, 16), (11.9, 8, 16), (35, 8, 32), (36, 8, 40), (92, 8, 96), (10, 8, 16), (9, 2, 10)]
)
def test_channels_are_rounded_but_never_a_tenth_down(wanted: float, by: int, rounded: int) -> None:
    assert divisible(wanted, by) == rounded
