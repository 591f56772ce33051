"""SqueezeNet: its published sizes, bypasses, and small pictures."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.systems.classification.squeezenet import SqueezeNet
from tests.unit.systems.classification import nets


@pytest.mark.parametrize(("version", "expected"), [("v1.0", 1_248_424), ("v1.1", 1_235_496)])
def test_the_parameters_are_the_published_ones(version: str, expected: int) -> None:
    assert nets.made(SqueezeNet, 224, 1000, version=version, initializer="zeros").net.count_params() == expected  # torchvision


def sides(net: keras.Model) -> list[int]:
    return [layer.output.shape[1] for layer in net.layers if isinstance(layer, keras.layers.MaxPooling2D)]


def test_where_the_versions_pool() -> None:
    assert sides(nets.made(SqueezeNet, 224, version="v1.0", width=0.1).net) == [56, 28, 14]
    net = nets.made(SqueezeNet, 224, version="v1.1", width=0.1).net
    assert sides(net) == [56, 28, 14]
    assert net.get_layer("fire3_concat").output.shape[1] == 28
    assert sides(nets.made(SqueezeNet, 28, version="v1.1", width=0.1).net) == [14, 7]


def test_a_fire_module_s_halves() -> None:
    net = nets.made(SqueezeNet, 32, fires=2).net
    kernels = {name: tuple(net.get_layer(f"fire1_{name}_conv").kernel.shape) for name in ("squeeze", "expand1", "expand3")}
    assert kernels == {"squeeze": (1, 1, 128, 16), "expand1": (1, 1, 16, 64), "expand3": (3, 3, 16, 64)}


def test_a_bypass_adds_the_input_of_every_second_module() -> None:
    net = nets.made(SqueezeNet, 32, width=0.1, bypass=True, norm="batch").net
    assert [layer.name for layer in net.layers if isinstance(layer, keras.layers.Add)] == [f"fire{number}_add" for number in (1, 3, 5, 7)]
    before, learned, after = keras.Model(net.input, [net.get_layer(f"fire{name}").output for name in ("0_concat", "1_concat", "1_add")])(
        nets.images(32)
    )
    np.testing.assert_allclose(after, before + learned)


def test_what_a_bypass_can_not_be_added_to_is_refused() -> None:
    problems = SqueezeNet.check(nets.recipe(SqueezeNet, 32, bypass=True, activation="maxout"))
    assert problems == [("model.bypass", "true needs an activation that keeps the channels; take it out, or use activation=relu")]
