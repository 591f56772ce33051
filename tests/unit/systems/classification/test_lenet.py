"""LeNet-5: its size and shapes are the paper's, and pictures that would vanish are refused."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.systems.classification.lenet import LeNet
from tests.unit.systems.classification import nets


def test_the_parameters_are_those_of_the_common_network() -> None:
    # 156 + 2,416 + 48,120 + 10,164 + 850 = 61,706 for grey pictures; three colours add 2 * 25 * 6.
    assert nets.made(LeNet, 32).net.count_params() == 61_706 + 2 * 25 * 6


@pytest.mark.parametrize("size_px", [28, 32])
def test_the_maps_are_those_of_figure_2(size_px: int) -> None:
    net = nets.made(LeNet, size_px).net
    shapes = [net.get_layer(name).output.shape[1:] for name in ("conv1_conv", "pool1", "conv2_conv", "pool2")]
    assert shapes == [(28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16)]


def test_pooling_is_average_or_maximum() -> None:
    for pooling, kind in (("average", keras.layers.AveragePooling2D), ("max", keras.layers.MaxPooling2D)):
        assert isinstance(nets.made(LeNet, 16, pooling=pooling).net.get_layer("pool2"), kind)


@pytest.mark.parametrize("model", [{"norm": "batch", "activation": "relu"}, {"activation": "maxout"}, {"hidden": ()}])
def test_other_makes_of_it_answer(model: dict) -> None:
    assert np.isfinite(nets.made(LeNet, 16, **model).net(nets.images(16))).all()


def test_a_picture_that_would_vanish_is_refused() -> None:
    problems = LeNet.check(nets.recipe(LeNet, 11))
    assert problems == [("data.size_px", "11 is too small for two 5x5 convolutions and poolings; use at least 12")]
    assert LeNet.check(nets.recipe(LeNet, 12)) == []
    assert nets.made(LeNet, 12).net.get_layer("pool2").output.shape[1:] == (1, 1, 16)
