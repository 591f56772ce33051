from __future__ import annotations

import itertools

import pytest

from kvision.data.palette import palette


@pytest.mark.parametrize("count", [1, 2, 11, 40])
def test_black_first_and_all_different(count):
    colours = palette(count)
    assert len(set(colours)) == count
    assert colours[0] == (0, 0, 0)
    assert all(0 <= channel <= 255 for colour in colours for channel in colour)


def test_eleven_classes_can_be_told_apart():
    apart = [sum(abs(a - b) for a, b in zip(one, other, strict=True)) for one, other in itertools.combinations(palette(11), 2)]
    assert min(apart) > 60
