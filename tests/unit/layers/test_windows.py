"""Windows: they are the map's own cells, shifting is undone, and attention is that of a slow reference and crosses no masked edge."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.layers import attention, windows
from kvision.layers.windows import Neighbours, WindowAttention
from tests.unit.layers.test_attention import slow


def image(height: int, width: int, channels: int = 4, batch: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(batch, height, width, channels)).astype(np.float32)


def layer_of(side: int, shift: int, shape: tuple[int, ...]) -> WindowAttention:
    layer = WindowAttention(2, side, shift=shift)
    layer.build(shape)
    generator = np.random.default_rng(1)
    layer.set_weights([generator.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


def test_windows_are_the_cells_of_the_map() -> None:
    x = image(4, 6)
    found = windows.split(x, 2).numpy().reshape(2, 2, 3, 2, 2, 4)  # picture, window's row and column, cell's row and column
    for row in range(4):
        for column in range(6):
            np.testing.assert_array_equal(found[:, row // 2, column // 2, row % 2, column % 2], x[:, row, column])


@pytest.mark.parametrize(("height", "width", "side"), [(4, 6, 2), (6, 3, 3), (5, 5, 5), (2, 2, 1)])
def test_merging_undoes_splitting(height: int, width: int, side: int) -> None:
    x = image(height, width)
    np.testing.assert_array_equal(windows.merge(windows.split(x, side), height, width), x)


@pytest.mark.parametrize("cells", [1, 2, 3, -1])
def test_shifting_is_a_roll_and_is_undone(cells: int) -> None:
    x = tf.constant(image(4, 6))
    moved = windows.shift(x, cells)
    np.testing.assert_array_equal(moved, np.roll(x, (-cells, -cells), axis=(1, 2)))
    np.testing.assert_array_equal(windows.shift(moved, -cells), x)


def seen(height: int, width: int, side: int, cells: int) -> np.ndarray:
    """Which cell may see which, bool `[H, W, H, W]`: figure 4, told by each cell's own place, without rolling anything."""
    # Before the first line a window would begin beyond the map; there, and at the other end, a smaller one is left.
    rows, columns = ((np.arange(size) - cells) // side for size in (height, width))
    own = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1)
    return (own[:, :, None, None] == own[None, None]).all(axis=-1)


@pytest.mark.parametrize(("height", "width", "side", "cells"), [(8, 8, 4, 2), (6, 9, 3, 1), (4, 4, 2, 0)])
def test_gradients_cross_no_masked_edge(height: int, width: int, side: int, cells: int) -> None:
    layer, x = layer_of(side, cells, (None, height, width, 4)), tf.constant(image(height, width, batch=1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(layer(x)[0], axis=-1)
    jacobian = tape.jacobian(y, x)[:, :, 0].numpy()
    touched = np.abs(jacobian).max(axis=-1)
    expected = seen(height, width, side, cells)
    assert np.all(touched[~expected] == 0.0)
    assert np.all(touched[expected] > 0.0)


@pytest.mark.parametrize("cells", [0, 2])
def test_attention_equals_the_slow_reference(cells: int) -> None:
    height, width, side = 8, 12, 4
    layer, x = layer_of(side, cells, (None, height, width, 4)), image(height, width)
    table, allowed = layer.relative_bias.numpy(), seen(height, width, side, cells)
    found, done = layer(x).numpy(), np.zeros((height, width), bool)
    for row, column in np.ndindex(height, width):
        if done[row, column]:
            continue
        members = np.argwhere(allowed[row, column])
        offsets = members[:, None] - members[None, :] + side - 1
        bias = table[:, offsets[..., 0] * (2 * side - 1) + offsets[..., 1]]
        for picture in range(2):
            cells_of = x[picture, members[:, 0], members[:, 1]]
            expected = slow(layer, cells_of, bias)
            np.testing.assert_allclose(found[picture, members[:, 0], members[:, 1]], expected, rtol=1e-4, atol=1e-5)
        done[members[:, 0], members[:, 1]] = True
    assert done.all()


def test_a_window_of_the_whole_map_is_plain_attention_with_relative_positions() -> None:
    layer, x = layer_of(3, 0, (None, 3, 3, 4)), image(3, 3)
    plain = attention.SelfAttention(2, grid=(3, 3))
    plain.build((None, 9, 4))
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(layer(x), tf.reshape(plain(x.reshape(2, 9, 4)), x.shape), rtol=1e-5, atol=1e-6)


def test_no_tensor_has_more_than_four_dimensions() -> None:
    layer = layer_of(4, 2, (None, 8, 8, 4))
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec([None, 8, 8, 4])).graph
    assert max(output.shape.rank or 0 for operation in graph.get_operations() for output in operation.outputs) == 4


def test_neighbours_stand_row_by_row() -> None:
    x = image(4, 6, channels=3)
    expected = np.concatenate([x[:, row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=-1)
    np.testing.assert_array_equal(Neighbours()(x), expected)
    assert Neighbours().compute_output_shape((None, 4, 6, 3)) == (None, 2, 3, 12)


def test_a_map_that_has_no_such_windows_is_refused() -> None:
    with pytest.raises(ValueError, match="4 does not divide a map of 8 x 6"):
        windows.split(tf.zeros([1, 8, 6, 2]), 4)
