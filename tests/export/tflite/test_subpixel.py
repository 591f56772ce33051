"""Transposed convolutions become 1x1 convolutions and a rearrangement where they can: the same numbers, with what follows fused before it."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision_export.tflite import freeze

if TYPE_CHECKING:
    from collections.abc import Callable

L = keras.layers
SIZE, CHANNELS = 6, 4


def network(body: Callable[[Any], Any]) -> keras.Model:
    """A network whose weights, statistics of normalisations among them, are neither 0 nor 1."""
    image = keras.Input((SIZE, SIZE, CHANNELS), name="image")
    net = keras.Model(image, body(image))
    net.set_weights([np.random.default_rng(seed).uniform(0.2, 0.9, each.shape) for seed, each in enumerate(net.get_weights())])
    return net


def frozen(net: keras.Model, batch: int | None = 1) -> tuple[np.ndarray, np.ndarray, Counter[str]]:
    """What the frozen and the Keras network compute, and the frozen one's operations."""
    function = freeze.concrete(SimpleNamespace(networks=lambda: {"net": net}), batch)["net"]
    x = np.random.default_rng(0).normal(size=(1, SIZE, SIZE, CHANNELS)).astype(np.float32)
    (made,) = function(image=tf.constant(x)).values()
    return made.numpy(), net(x, training=False).numpy(), operations(function)


def operations(function: Any) -> Counter[str]:
    """How many there are of each type, also in the functions that it calls."""
    graph = function.graph.as_graph_def()
    return Counter(each.op for nodes in (graph.node, *(inner.node_def for inner in graph.library.function)) for each in nodes)


@pytest.mark.parametrize("batch", [1, None])
@pytest.mark.parametrize(
    "layer",
    [
        L.Conv2DTranspose(5, 2, strides=2),
        L.Conv2DTranspose(5, 3, strides=3, padding="same", use_bias=False, activation="tanh"),
        L.Conv2DTranspose(1, 2, strides=2, activation="sigmoid"),
    ],
)
def test_one_that_does_not_overlap_is_replaced_by_equal_operations(layer: keras.layers.Layer, batch: int | None) -> None:
    made, expected, ops = frozen(network(layer), batch)
    assert ops["Conv2DBackpropInput"] == 0
    assert ops["DepthToSpace"] == 1
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "layer",
    [L.Conv2DTranspose(5, 4, strides=2, padding="same"), L.Conv2DTranspose(5, 3, strides=2), L.Conv2DTranspose(5, (2, 4), strides=(2, 4))],
)
def test_one_that_overlaps_or_is_not_square_stays(layer: keras.layers.Layer) -> None:
    made, expected, ops = frozen(network(layer))
    assert ops["Conv2DBackpropInput"] == 1
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)


def test_normalisation_and_activation_come_before_the_rearrangement_and_what_mixes_pixels_after() -> None:
    def body(x: Any) -> Any:
        a = L.ReLU()(L.BatchNormalization()(L.Conv2DTranspose(5, 2, strides=2)(x)))
        b = L.Conv2DTranspose(5, 2, strides=2)(x)
        return L.Conv2D(3, 3)(L.Concatenate()([a, b, L.UpSampling2D(2)(x)]))

    net = network(body)
    made, expected, ops = frozen(net)
    assert ops["DepthToSpace"] == 2
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)
    function = freeze.concrete(SimpleNamespace(networks=lambda: {"net": net}))["net"]
    before = {each.op.type for operation in function.graph.get_operations() if operation.type == "DepthToSpace" for each in operation.inputs}
    assert before == {"Relu", "BiasAdd"}


def test_a_sum_with_a_picture_is_made_of_pixels() -> None:
    made, expected, ops = frozen(network(lambda x: L.Add()([L.Conv2DTranspose(CHANNELS, 2, strides=2)(x), L.UpSampling2D(2)(x)])))
    assert ops["DepthToSpace"] == 1
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-5)


def test_what_is_known_of_the_trained_ranges_of_a_channel_is_kept() -> None:
    def body(x: Any) -> Any:
        y = L.Conv2DTranspose(5, 2, strides=2)(x)
        return L.Lambda(lambda z: tf.quantization.fake_quant_with_min_max_args(z, -6, 6))(y)

    assert frozen(network(body))[2]["Conv2DBackpropInput"] == 1
