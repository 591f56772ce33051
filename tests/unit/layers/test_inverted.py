"""The inverted bottleneck: what it is made of, and what it adds."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kvision.layers.inverted import inverted
from kvision.layers.style import Style


def block(channels: int = 8, filters: int = 8, **options: Any) -> keras.Model:
    image = keras.Input((6, 6, channels))
    return keras.Model(image, inverted(image, filters, Style(activation="relu6"), name="block", **options))


def test_the_layers_are_those_of_the_paper() -> None:
    convolutions = [
        layer for layer in block(expanded=48, size=5, squeezed=2).layers if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)
    ]
    kernels = {layer.name: tuple(layer.kernel.shape) for layer in convolutions}
    assert kernels == {
        "block_expand_conv": (1, 1, 8, 48),
        "block_depthwise_conv": (5, 5, 48, 1),
        "block_se_reduce": (1, 1, 48, 2),
        "block_se_expand": (1, 1, 2, 48),
        "block_project_conv": (1, 1, 48, 8),
    }
    assert "block_expand_conv" not in {layer.name for layer in block(expanded=8).layers}


def test_it_is_the_identity_and_more_where_shapes_agree() -> None:
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 8)).astype(np.float32)
    net = block(expanded=16, survival=0.5)
    net.get_layer("block_project_conv").set_weights([np.zeros((1, 1, 16, 8))])
    np.testing.assert_array_equal(net(x), x)
    assert net.get_layer("block_depth").survival == 0.5


@pytest.mark.parametrize(("filters", "strides", "shape"), [(8, 2, (3, 3, 8)), (16, 1, (6, 6, 16))])
def test_nothing_is_added_where_they_do_not(filters: int, strides: int, shape: tuple[int, ...]) -> None:
    net = block(filters=filters, expanded=16, strides=strides, survival=0.5)
    assert net.output.shape[1:] == shape
    assert not {"block_add", "block_depth"} & {layer.name for layer in net.layers}


@pytest.mark.parametrize(("padding", "first"), [("same", 16), ("even", 9)])
def test_strides_of_even_sizes_are_padded_below_and_right_or_on_all_sides(padding: Any, first: int) -> None:
    net = block(expanded=8, size=5, strides=2, padding=padding)
    inner = keras.Model(net.input, net.get_layer("block_depthwise_conv").output)
    net.get_layer("block_depthwise_conv").set_weights([np.ones((5, 5, 8, 1))])
    ones = np.ones((1, 6, 6, 8), np.float32)
    # The first window hangs over by one pixel (same: three in all, one of them above) or by two (even).
    assert inner(ones).shape == (1, 3, 3, 8)
    assert float(inner(ones)[0, 0, 0, 0]) == first


@pytest.mark.parametrize(("strides", "dtype"), [(1, "bfloat16"), (2, "float32")])
def test_in_bfloat16_strided_depthwise_convolutions_are_float32(strides: int, dtype: str) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    net = block(expanded=16, strides=strides)
    assert net.get_layer("block_depthwise_conv").compute_dtype == dtype
    assert net.get_layer("block_depthwise_norm").compute_dtype == net.get_layer("block_expand_conv").compute_dtype == "bfloat16"
    assert net.output.dtype == "bfloat16"
