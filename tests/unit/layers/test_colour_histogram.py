"""Colour histograms: numpy's and matplotlib's on real pictures, and colours whose bins are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import matplotlib.colors
import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from kvision.layers import colour_histogram
from kvision.layers.colour_histogram import ColourHistogram
from tests.unit.layers import device

if TYPE_CHECKING:
    from pathlib import Path


def photos() -> np.ndarray:
    """Parts of two photos in steps of 1/256, so that no rounding lies at an edge."""
    flower, china = load_sample_images().images
    return np.stack([china[100:160, 200:250], flower[100:160, 200:250]]) / np.float32(256)


def slow(picture: np.ndarray, bins: tuple[int, int, int], space: str) -> np.ndarray:
    wide = picture.astype(np.float64)
    pixels = (matplotlib.colors.rgb_to_hsv(wide) if space == "hsv" else wide).reshape(-1, 3)
    return np.histogramdd(pixels, bins, [(0, 1)] * 3)[0].ravel() / len(pixels)


@pytest.mark.parametrize("bins", [(8, 8, 8), (6, 2, 4), (3, 1, 5)])
@pytest.mark.parametrize("space", ["rgb", "hsv"])
def test_photos_as_numpy_counts_them(bins: tuple[int, int, int], space: str) -> None:
    found = ColourHistogram(bins, space)(photos()).numpy()
    for ours, picture in zip(found, photos(), strict=True):
        np.testing.assert_allclose(ours, slow(picture, bins, space), rtol=0, atol=1e-6)


def test_soft_bins_share_a_pixel_by_its_distance_to_their_centres() -> None:
    # Centres 0.25 and 0.75: 0.4 lies three tenths of the way, 0.1 before the first one, 0.75 on the second.
    found = ColourHistogram((2, 2, 2), "rgb", soft=True)(np.array([[[[0.4, 0.1, 0.75]]]], np.float32))
    np.testing.assert_allclose(found[0], [0, 0.7, 0, 0, 0, 0.3, 0, 0], atol=1e-6)


def test_soft_bins_share_all_of_a_photo() -> None:
    found = ColourHistogram((4, 8, 3), "rgb", soft=True)(photos()).numpy()
    np.testing.assert_allclose(found.sum(1), 1.0, rtol=1e-5)
    assert (found > 0).sum() > (ColourHistogram((4, 8, 3))(photos()).numpy() > 0).sum()


@pytest.mark.parametrize(
    ("colour", "bins"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (0, 0, 3)),
        ((1, 0, 0), (0, 3, 3)),
        ((0, 1, 0), (2, 3, 3)),
        ((0, 0, 0.5), (4, 3, 2)),
        ((1, 0, 1), (5, 3, 3)),
    ],
)
def test_hue_saturation_and_value_of_known_colours(colour: tuple[float, ...], bins: tuple[int, ...]) -> None:
    found = ColourHistogram((6, 4, 4), "hsv")(np.array(colour, np.float32).reshape(1, 1, 1, 3)).numpy().reshape(6, 4, 4)
    assert np.argwhere(found).tolist() == [list(bins)]


@pytest.mark.parametrize("count", [3, 5, 8, 12])
def test_every_hue_lies_in_its_own_bin(count: int) -> None:
    hues = (np.arange(360) + 0.5) / 360
    colours = matplotlib.colors.hsv_to_rgb(np.stack([hues, np.full(360, 0.6), np.full(360, 0.8)], axis=-1)).astype(np.float32)
    np.testing.assert_array_equal(colour_histogram.hue(colours, count).numpy().argmax(1), np.floor(hues * count))


@pytest.mark.parametrize(("options", "text"), [({"soft": True}, "soft=True"), ({"bins": (2, 4, 4)}, r"bins=\(2, 4, 4\)")])
def test_hues_that_can_t_be_told_apart_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=f"space: hsv with .*{text}.*; use at least 3 bins of hue, and soft=False"):
        ColourHistogram(space="hsv", **options)


@pytest.mark.parametrize("options", [{"bins": (4, 3, 2), "space": "hsv"}, {"bins": (2, 3, 4), "soft": True}])
def test_saved_and_loaded_it_says_the_same(options: dict[str, Any], tmp_path: Path) -> None:
    entry = keras.Input((60, 50, 3))
    net = keras.Model(entry, ColourHistogram(**options)(entry))
    assert net.output_shape == (None, 24)
    net.save(tmp_path / "net.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "net.keras")(photos()), net(photos()))


def test_whole_numbers_say_nearly_the_same() -> None:
    entry = keras.Input((60, 50, 3))
    net = keras.Model(entry, ColourHistogram((4, 3, 2), "hsv")(entry))
    exact, found = net(photos()).numpy(), device.whole_numbers(net, photos())
    assert np.abs(found - exact).mean() < 0.1 * np.abs(exact).mean()
