"""Heat maps: where windows lie in a picture of any size, and that the map is hot where the class is."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.core.errors import UsageError
from kvision.data.preprocess import Preprocess
from kvision.engine.system import System
from kvision.systems.classification import _convolutional, _heat
from kvision.systems.classification.lenet import LeNet
from tests.unit.systems.classification import nets

PREPROCESS = Preprocess(8, "crop", (0.0,) * 3, (1.0,) * 3)


def brightness() -> _convolutional.Sliding:
    """Of a window of 8 px, how bright it is: logits `[-m, m]` for its mean m times 20, less 10."""
    image = keras.Input((8, 8, 3))
    x = keras.layers.MaxPooling2D(2, name="pool")(image)
    logits = keras.layers.Dense(2, name="logits")
    net = keras.Model(image, logits(keras.layers.GlobalAveragePooling2D(name="mean")(x)), name="bright")
    logits.set_weights([np.array([[-20.0, 20.0]] * 3) / 3, np.array([10.0, -10.0])])
    return _convolutional.sliding(net)


def test_the_map_is_hot_where_the_class_is() -> None:
    picture = np.zeros((24, 40, 3), np.uint8)
    picture[12:, 28:] = 255
    heat = _heat.HeatMap(brightness(), PREPROCESS, ("dark", "bright"), several=False)
    found = heat(picture, {"probabilities": np.array([0.2, 0.8])})
    assert found.facts == {"heat_class": "bright", "window_px": 8.0, "stride_px": 2.0}
    logits = found.arrays["logits"]
    assert (logits.shape, logits.dtype.name) == ((9, 17, 2), "float32")
    # The last window, 16 to 24 and 32 to 40, is all white; the first all black; the one at row 8 and column 32 half.
    np.testing.assert_allclose(logits[[-1, 0, 4], [-1, 0, 16]], [[-10, 10], [10, -10], [0, 0]], atol=1e-4)
    drawn = np.asarray(found.pictures["heat"], int)
    assert drawn.shape == (24, 40, 3)
    np.testing.assert_allclose(drawn[20, 36], 0.6 * np.array([252, 255, 164]) + 0.4 * 255, atol=1)  # inferno's last colour over white
    assert drawn[3, 3].max() < 5


def test_a_class_of_several_has_its_own_yes_or_no() -> None:
    heat = _heat.HeatMap(brightness(), PREPROCESS, ("dark", "bright"), several=True)
    half = heat(np.full((8, 8, 3), 255, np.uint8), {"probabilities": np.array([0.9, 0.1])})
    assert half.facts["heat_class"] == "dark"
    np.testing.assert_allclose(half.arrays["logits"], [[[-10, 10]]], atol=1e-4)
    assert np.asarray(half.pictures["heat"]).max() == round(0.4 * 255 + 0.6 * 4)  # sigmoid(-10), nearly black: (0, 0, 4)


def test_whole_pictures_are_seen_twice_as_large_as_the_window() -> None:
    heat = _heat.HeatMap(brightness(), Preprocess(8, "resize", (0.0,) * 3, (1.0,) * 3), ("dark", "bright"), several=False)
    found = heat(np.full((64, 128, 3), 128, np.uint8), {"probabilities": np.array([0.2, 0.8])})
    # 64 px become 16: a window of 8 is 32 px of the picture, a step of 2 is 8 px.
    assert (found.facts["window_px"], found.facts["stride_px"]) == (32.0, 8.0)
    assert found.arrays["logits"].shape == (5, 13, 2)


def test_small_pictures_are_enlarged_to_a_window_and_huge_ones_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    heat = _heat.HeatMap(brightness(), PREPROCESS, ("dark", "bright"), several=False)
    small = heat(np.zeros((4, 6, 3), np.uint8), {"probabilities": np.array([0.8, 0.2])})
    assert (small.arrays["logits"].shape, small.facts["window_px"]) == ((1, 3, 2), 4.0)
    monkeypatch.setattr(_heat, "MOST_PX", 256)
    large = heat(np.zeros((32, 32, 3), np.uint8), {"probabilities": np.array([0.8, 0.2])})
    assert (large.arrays["logits"].shape, large.facts["window_px"]) == ((5, 5, 2), 16.0)


def test_heat_lies_between_the_middles_of_windows() -> None:
    shares = _heat.between(8, 16, 3, 4.0, 4.0)
    # Pixels of two: the middles 2, 6 and 10 of the windows lie at 1, 3 and 5; pixel 0 at 0.5 is before the first, pixel 1 at 1.5 a quarter on.
    np.testing.assert_allclose(
        shares, [[1, 0, 0], [0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0.75, 0.25], [0, 0.25, 0.75], [0, 0, 1], [0, 0, 1], [0, 0, 1]]
    )


def test_a_classifier_draws_and_others_say_that_they_do_not() -> None:
    system = nets.made(LeNet, 28, 3)
    picture = np.random.default_rng(0).integers(0, 256, (60, 90, 3)).astype(np.uint8)
    found = system.heat(Preprocess(28, "resize", (0.5,) * 3, (0.5,) * 3))(picture, {"probabilities": np.array([0.1, 0.7, 0.2])})
    assert found.facts["heat_class"] == "class 1"
    assert found.arrays["logits"].shape == (8, 15, 3)
    with pytest.raises(UsageError, match="--heatmap is for classifiers; classification/any does not name whole pictures"):
        System.heat(system, PREPROCESS)
