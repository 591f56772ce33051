"""Tokens of patches: linear in their own patch, and told where they lie."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers import patches
from kvision.layers.patches import ClassToken, Positions


def test_tokens_are_linear_in_their_own_patch_row_by_row() -> None:
    entry = keras.Input((6, 9, 3))
    net = keras.Model(entry, patches.embed(entry, 3, 5, "glorot_uniform"))
    x = np.random.default_rng(0).normal(size=(2, 6, 9, 3)).astype(np.float32)
    kernel, bias = net.get_layer("patches").get_weights()
    found = net(x).numpy()
    assert found.shape == (2, 6, 5)
    for number, (row, column) in enumerate([(row, column) for row in range(2) for column in range(3)]):
        patch = x[:, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3].reshape(2, -1)
        np.testing.assert_allclose(found[:, number], patch @ kernel.reshape(27, 5) + bias, rtol=1e-4, atol=1e-5)


def test_sinusoids_are_worked_out_by_hand() -> None:
    fixed = patches.sinusoids(3, 4, 8)
    assert fixed.shape == (12, 8)
    # Row 2, column 1: frequencies 1 and 1/10,000; sines and cosines of the row, then of the column.
    expected = [np.sin(2), np.sin(2e-4), np.cos(2), np.cos(2e-4), np.sin(1), np.sin(1e-4), np.cos(1), np.cos(1e-4)]
    np.testing.assert_allclose(fixed[2 * 4 + 1], expected, rtol=1e-6)
    assert len(np.unique(fixed.round(6), axis=0)) == 12


@pytest.mark.parametrize("before", [0, 1])
def test_fixed_positions_leave_the_tokens_before_the_grid_alone(before: int) -> None:
    layer, x = Positions("sinusoidal", (2, 3)), tf.random.normal((2, 6 + before, 8))
    added = (layer(x) - x).numpy()
    np.testing.assert_allclose(added[1, before:], patches.sinusoids(2, 3, 8), atol=1e-6)
    np.testing.assert_allclose(added[:, :before], 0.0, atol=0)
    assert layer.weights == []


def test_learnt_positions_are_one_vector_a_token() -> None:
    layer, x = Positions("learned", (2, 3)), tf.random.normal((2, 7, 8))
    layer.build(x.shape)
    assert layer.positions.shape == (7, 8)
    np.testing.assert_array_equal(layer(x), x + layer.positions.value)


def test_the_class_token_stands_before_the_others_in_every_example() -> None:
    layer, x = ClassToken(), tf.random.normal((3, 5, 4))
    layer.build(x.shape)
    layer.token.assign([1.0, 2.0, 3.0, 4.0])
    found = layer(x).numpy()
    np.testing.assert_array_equal(found[:, 0], [[1.0, 2.0, 3.0, 4.0]] * 3)
    np.testing.assert_array_equal(found[:, 1:], x)
    assert layer.compute_output_shape((None, 5, 4)) == (None, 6, 4)


@pytest.mark.parametrize("layer", [Positions("learned", (2, 3)), Positions("sinusoidal", (2, 3)), ClassToken()])
def test_a_layer_is_made_again_from_its_config(layer: keras.layers.Layer) -> None:
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
