from __future__ import annotations

import itertools

import numpy as np
import pytest

from kvision.data.palette import IGNORED, OPACITY, overlay, palette, table


@pytest.mark.parametrize("count", [1, 2, 11, 40])
def test_black_first_and_all_different(count):
    colours = palette(count)
    assert len(set(colours)) == count
    assert colours[0] == (0, 0, 0)
    assert all(0 <= channel <= 255 for colour in colours for channel in colour)


def test_eleven_classes_can_be_told_apart():
    apart = [sum(abs(a - b) for a, b in zip(one, other, strict=True)) for one, other in itertools.combinations(palette(11), 2)]
    assert min(apart) > 60


def test_every_value_of_a_mask_has_a_colour():
    colours = table([(0, 0, 0), (255, 0, 0)])
    assert (colours.shape, colours.dtype) == ((256, 3), np.uint8)
    assert colours[:3].tolist() == [[0, 0, 0], [255, 0, 0], list(IGNORED)]
    assert (colours[2:] == IGNORED).all()


def test_the_overlay_colours_classes_and_leaves_the_background():
    drawn = overlay(np.full((1, 3, 3), 100, np.uint8), np.array([[0, 1, 255]], np.uint8), [(0, 0, 0), (255, 0, 0)])
    assert drawn[0, 0].tolist() == [100, 100, 100]
    assert drawn[0, 1].tolist() == [round(100 * (1 - OPACITY) + 255 * OPACITY), 45, 45]
    assert drawn[0, 2].tolist() == [round(100 * (1 - OPACITY) + 128 * OPACITY)] * 3
