"""What a device sees of a picture is what the graph saw of it elsewhere, to the last bit, and a few things by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kvision_edge import manifest, resize
from kvision_edge import pictures as decoded
from kvision_edge.errors import BundleError
from kvision_edge.preprocess import Preprocess
from tests.edge import tiny

if TYPE_CHECKING:
    from pathlib import Path


def test_a_picture_of_each_form_comes_into_the_square_as_in_the_graph(pictures: dict[str, list[Path]], squares: dict[str, np.ndarray]) -> None:
    ours = Preprocess(manifest.Preprocess(tiny.SIZE_PX, "resize", tiny.MEAN, tiny.STD))
    assert len(squares) == len(pictures)
    for paths in pictures.values():
        np.testing.assert_array_equal(ours.place(decoded.rgb(paths[0])), squares[paths[0].name], err_msg=paths[0].name)


def test_weights_worked_by_hand() -> None:
    # Two pixels from four: centres 1 and 3, a triangle of half width 2: distances .5, .5, 1.5 -> .75, .75, .25 of 1.75.
    first, weights = resize.spans(4, 2)
    np.testing.assert_array_equal(first, [0, 1])
    np.testing.assert_allclose(weights[0, :3], np.array([0.75, 0.75, 0.25]) / 1.75, rtol=1e-6)
    np.testing.assert_allclose(weights[1, :3], np.array([0.25, 0.75, 0.75]) / 1.75, rtol=1e-6)


def test_boxes_are_laid_back_by_hand() -> None:
    ours = Preprocess(manifest.Preprocess(64, "resize", tiny.MEAN, tiny.STD))
    # 100x200 px become 32x64 with 16 px above: (16, 0) is the picture's corner, and a pixel of the square is 3.125 of its own.
    boxes = np.array([[16, 0, 32, 32], [10, 60, 60, 70]], np.float32)
    np.testing.assert_allclose(ours.restore_boxes(boxes, 100, 200), [[0, 0, 50, 100], [0, 187.5, 100, 200]])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (manifest.Preprocess(64, "stretch", tiny.MEAN, tiny.STD), "stretch.*resize and crop"),
        (manifest.Preprocess(0, "crop", tiny.MEAN, tiny.STD), "size_px"),
        (manifest.Preprocess(64, "crop", tiny.MEAN, (0.2, 0.0, 0.2)), "std"),
    ],
)
def test_settings_that_can_not_be_are_refused(settings: manifest.Preprocess, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        Preprocess(settings)
