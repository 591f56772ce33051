"""Blocks of transformers: what they add, and that they are the identity where they add nothing."""

from __future__ import annotations

from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers import transformer
from kvision.layers.attention import SelfAttention
from kvision.layers.scale import LayerScale
from kvision.layers.stochastic_depth import StochasticDepth
from kvision.layers.style import Activation, TransformerStyle


def network(style: TransformerStyle, survival: float = 1.0) -> keras.Model:
    entry = keras.Input((5, 6))
    return keras.Model(entry, transformer.block(entry, SelfAttention(2, name="attention"), style, survival, "block"))


def tokens() -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).normal(size=(4, 5, 6)), tf.float32)


def test_a_block_is_the_paper_s_equations() -> None:
    net, x = network(TransformerStyle(mlp_ratio=2)), tokens()
    attention, (wide, narrow) = net.get_layer("attention"), (net.get_layer(f"block_mlp_{each}") for each in ("wide", "narrow"))
    first, second = (net.get_layer(f"block_norm{number}") for number in (1, 2))
    assert wide.units == 12
    z = x + attention(first(x))  # equation 2
    np.testing.assert_allclose(net(x), z + narrow(tf.nn.gelu(wide(second(z)))), rtol=1e-5, atol=1e-6)  # equation 3


def test_a_block_that_learns_nothing_is_the_identity() -> None:
    net = network(TransformerStyle(initializer="zeros"))
    net.get_layer("attention").out.kernel.assign(tf.zeros([6, 6]))
    np.testing.assert_array_equal(net(tokens()), tokens())


def test_both_branches_are_left_out_at_random() -> None:
    net = network(TransformerStyle(), survival=0.5)
    assert [layer.survival for layer in net.layers if isinstance(layer, StochasticDepth)] == [0.5, 0.5]
    assert not any(isinstance(layer, StochasticDepth) for layer in network(TransformerStyle()).layers)


@pytest.mark.parametrize("activation", get_args(Activation))
def test_any_activation_fits_the_mlp(activation: Activation) -> None:
    assert network(TransformerStyle(activation=activation))(tokens()).shape == (4, 5, 6)


def test_layer_scale_multiplies_each_channel() -> None:
    layer, x = LayerScale(0.25), tokens()
    np.testing.assert_array_equal(layer(x), 0.25 * x)
    layer.gamma.assign([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    np.testing.assert_array_equal(layer(x), x * tf.range(6.0))
    assert LayerScale.from_config(layer.get_config()).initial == 0.25
