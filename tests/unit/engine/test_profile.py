from __future__ import annotations

import keras

from kvision.engine import profile


def test_multiply_adds_by_hand():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="conv")(image)
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", groups=2, name="grouped")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = keras.layers.SeparableConv2D(6, 3, padding="same", name="separable")(x)
    x = keras.layers.ReLU(name="relu")(x)
    x = keras.layers.Conv2DTranspose(5, 2, strides=2, name="up")(x)
    x = keras.layers.Concatenate(name="join")([x, image])
    net = keras.Model(image, keras.layers.Dense(10, name="dense")(keras.layers.Flatten(name="flat")(x)))
    costs = {cost.name: cost for cost in profile.layers(net)}
    expected = {
        "conv": 8 * 8 * 3 * 3 * 3 * 4,
        "grouped": 4 * 4 * 3 * 3 * 2 * 8,
        "depthwise": 4 * 4 * 3 * 3 * 8,
        "separable": 4 * 4 * (3 * 3 * 8 + 8 * 6),
        "relu": 0,
        "up": 4 * 4 * 2 * 2 * 6 * 5,
        "join": 0,
        "flat": 0,
        "dense": 8 * 8 * 8 * 10,
    }
    assert {name: costs[name].multiply_adds for name in expected} == expected
    assert costs["conv"].parameters == 3 * 3 * 3 * 4 + 4
    assert costs["up"].shape == (8, 8, 5)
    assert sum(cost.parameters for cost in costs.values()) == net.count_params()


def test_a_shared_layer_costs_twice_and_nested_models_are_opened():
    shared = keras.layers.Conv2D(3, 1, use_bias=False, name="shared")
    image = keras.Input((4, 4, 3))
    inner = keras.Model(image, shared(shared(image)), name="inner")
    outer_image = keras.Input((4, 4, 3))
    outer = keras.Model(outer_image, keras.layers.ReLU()(keras.Sequential([keras.layers.Conv2D(2, 1, name="deep")])(outer_image)))
    assert {cost.name: cost.multiply_adds for cost in profile.layers(inner)}["shared"] == 2 * 4 * 4 * 3 * 3
    assert {cost.name: cost.multiply_adds for cost in profile.layers(outer)}["deep"] == 4 * 4 * 3 * 2


def test_of_a_layer_that_loops_the_parameters_are_known() -> None:
    words = keras.Input((5, 3))
    net = keras.Model(words, keras.layers.Dense(2, name="dense")(keras.layers.LSTM(4, name="loops")(words)))
    costs = {cost.name: cost for cost in profile.layers(net)}
    assert (costs["loops"].parameters, costs["loops"].multiply_adds) == (4 * 4 * (3 + 4 + 1), 0)
    assert costs["dense"].multiply_adds == 4 * 2
