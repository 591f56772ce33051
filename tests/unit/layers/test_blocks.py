"""Each activation, initialiser and normalisation is what its name says, by formula."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, get_args

import keras
import numpy as np
import pytest
from scipy.stats import norm as normal
from scipy.stats import truncnorm

from kvision.layers import blocks
from kvision.layers.style import Activation, Initializer, Norm

if TYPE_CHECKING:
    from collections.abc import Callable

X = np.random.default_rng(0).normal(size=(5, 4, 3, 16), scale=3.0).astype(np.float32)
SELU, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def logistic(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


ACTIVATIONS: dict[Activation, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0.0),
    "relu6": lambda x: np.clip(x, 0.0, 6.0),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.1 * x),
    "prelu": lambda x: np.where(x > 0, x, np.linspace(-1.0, 1.0, 16) * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1.0),
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU * (np.exp(x) - 1.0)),
    "gelu": lambda x: x * normal.cdf(x),
    "silu": lambda x: x * logistic(x),
    "hard_silu": lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "sigmoid": logistic,
    "tanh": np.tanh,
    "maxout": lambda x: np.maximum(x[..., :8], x[..., 8:]),
}


def model(build: Callable[[keras.KerasTensor], keras.KerasTensor]) -> keras.Model:
    entry = keras.Input(X.shape[1:])
    return keras.Model(entry, build(entry))


@pytest.mark.parametrize("name", get_args(Activation))
@pytest.mark.parametrize("training", [False, True])
def test_activations(name: Activation, training: bool) -> None:
    net = model(lambda x: blocks.activation(x, name, "act"))
    if name == "prelu":
        net.get_layer("act").alpha.assign(np.linspace(-1.0, 1.0, 16).reshape(1, 1, 16))  # a slope a channel, that is learnt
    np.testing.assert_allclose(net(X, training=training), ACTIVATIONS[name](X.astype(np.float64)), rtol=1e-4, atol=1e-5)


VARIANCES = {"he": 2 / 800, "glorot": 2 / (800 + 600), "lecun": 1 / 800}
"""Variance of a kernel from 800 inputs to 600 outputs."""


@pytest.mark.parametrize("name", get_args(Initializer))
def test_initialisers(name: Initializer) -> None:
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(600, kernel_initializer=blocks.initializer(name))
    layer.build((None, 800))
    kernel = layer.kernel.numpy().astype(np.float64)
    kind, _, shape = name.partition("_")
    if name == "zeros":
        assert not kernel.any()
    elif name == "orthogonal":
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(600), atol=1e-5)
    elif name == "truncated_normal":
        assert np.abs(kernel).max() <= 0.04
        assert kernel.std() == pytest.approx(0.02 * truncnorm.std(-2, 2), rel=0.01)  # cut off at two deviations
    else:
        assert kernel.var() == pytest.approx(VARIANCES[kind], rel=0.02)
        assert np.abs(kernel).max() <= math.sqrt(3 * VARIANCES[kind]) + 1e-6 or shape == "normal"
    assert abs(kernel.mean()) < 1e-3


OVER: dict[Norm, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "batch": ((5, 4, 3, 16, 1), (0, 1, 2)),
    "layer": ((5, 4, 3, 1, 16), (1, 2, 4)),
    "group": ((5, 4, 3, 8, 2), (1, 2, 4)),
    "instance": ((5, 4, 3, 16, 1), (1, 2)),
}
"""How the channels are grouped, and the axes that are normalised over."""


@pytest.mark.parametrize("name", [name for name in get_args(Norm) if name != "none"])
def test_normalisations(name: Norm) -> None:
    net = model(lambda x: blocks.normalise(x, name, "norm"))
    shape, axes = OVER[name]
    grouped = X.astype(np.float64).reshape(shape)
    epsilon = net.get_layer("norm").epsilon
    expected = (grouped - grouped.mean(axes, keepdims=True)) / np.sqrt(grouped.var(axes, keepdims=True) + epsilon)
    np.testing.assert_allclose(net(X, training=True), expected.reshape(X.shape), rtol=1e-3, atol=1e-4)
    assert {weight.shape for weight in net.trainable_weights} == {(16,)}


def test_no_normalisation_is_none() -> None:
    entry = keras.Input((4, 4, 3))
    assert blocks.normalise(entry, "none", "norm") is entry


@pytest.mark.parametrize(("channels", "groups"), [(16, 8), (12, 4), (7, 1)])
def test_groups_divide_the_channels(channels: int, groups: int) -> None:
    entry = keras.Input((2, 2, channels))
    assert keras.Model(entry, blocks.normalise(entry, "group", "norm")).get_layer("norm").groups == groups
