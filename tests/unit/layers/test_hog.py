"""HOG: the numbers of scikit-image on real pictures, and orientations worked out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest
import skimage.feature
import tensorflow as tf
from sklearn.datasets import load_digits, load_sample_images

from kvision.layers import hog
from kvision.layers.hog import HOG
from tests.unit.layers import device

if TYPE_CHECKING:
    from pathlib import Path


def photo(top: int = 100, left: int = 200, height: int = 96, width: int = 70) -> np.ndarray:
    """A part of a photo in steps of 1/256, so that differences are exact and both fall on the same side of an edge between two orientations."""
    return load_sample_images().images[0][top : top + height, left : left + width] / np.float32(256)


@pytest.mark.parametrize(
    ("cell_px", "block_cells", "orientations"), [(8, 3, 9), (8, 2, 9), (7, 1, 6), (5, 4, 12)], ids=["defaults", "paper", "odd", "small"]
)
@pytest.mark.parametrize("kind", ["colour", "grey"])
def test_photos_as_scikit_image_has_them(cell_px: int, block_cells: int, orientations: int, kind: str) -> None:
    picture = photo() if kind == "colour" else np.repeat(photo()[..., :1], 3, -1)
    expected = skimage.feature.hog(
        picture.astype(np.float64), orientations, (cell_px, cell_px), (block_cells, block_cells), block_norm="L2-Hys", channel_axis=-1
    )
    np.testing.assert_allclose(HOG(cell_px, block_cells, orientations)(picture[None])[0], expected, rtol=0, atol=1e-5)


def test_digits_as_scikit_image_has_them() -> None:
    digits = load_digits().images[:20] / 16
    expected = [skimage.feature.hog(each, 9, (4, 4), (2, 2), block_norm="L2-Hys") for each in digits]
    found = HOG(4, 2, 9)(digits[..., None].astype(np.float32))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("turn", "orientation"), [(0, 0), (10, 0), (50, 2), (90, 4), (170, 8), (190, 0), (350, 8)])
def test_a_ramp_has_the_orientation_of_its_gradient(turn: int, orientation: int) -> None:
    down, across = np.mgrid[:12, :12] * 0.01
    ramp = across * np.cos(np.radians(turn)) + down * np.sin(np.radians(turn))
    cells = hog.histograms(*hog.gradients(tf.constant(ramp[None, ..., None], tf.float32)), 4, 9).numpy()
    expected = np.zeros(9)
    expected[orientation] = 0.02  # two pixels apart
    np.testing.assert_allclose(cells[0, 1, 1], expected, atol=1e-6)


def test_the_strongest_channel_counts() -> None:
    across, down = tf.constant([[[[1.0, 3.0, 0.0]]]]), tf.constant([[[[2.0, 0.0, -3.0]]]])
    found = hog.strongest(across, down)
    assert [float(each[0, 0, 0, 0]) for each in found] == [3.0, 0.0]


def test_a_picture_of_one_colour_has_nothing() -> None:
    np.testing.assert_array_equal(HOG(4, 2)(np.full((1, 16, 16, 3), 0.5, np.float32)), 0.0)


def test_saved_and_loaded_it_says_the_same(tmp_path: Path) -> None:
    entry = keras.Input((24, 24, 3))
    net = keras.Model(entry, HOG(6, 2, 8)(entry))
    assert net.output_shape == (None, 3 * 3 * 4 * 8)
    net.save(tmp_path / "net.keras")
    images = photo(0, 0, 24, 24)[None]
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "net.keras")(images), net(images))


def test_whole_numbers_say_nearly_the_same() -> None:
    entry = keras.Input((24, 24, 1))
    net = keras.Model(entry, HOG(6, 2, 8)(entry))
    digits = np.kron(load_digits().images[:24], np.ones((3, 3)))[..., None].astype(np.float32) / 16
    exact, found = net(digits).numpy(), device.whole_numbers(net, digits)
    assert np.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.95
