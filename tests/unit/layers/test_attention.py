"""Self-attention: equal to keras.layers.MultiHeadAttention and to sums by hand, with biases that know the way from one token to another."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers import attention
from kvision.layers.attention import SelfAttention


def layer_of(channels: int = 12, **options) -> SelfAttention:
    """A layer with random weights."""
    layer = SelfAttention(**{"num_heads": 3} | options)
    layer.build((None, 6, channels))
    generator = np.random.default_rng(0)
    layer.set_weights([generator.normal(size=weight.shape) for weight in layer.get_weights()])
    return layer


def tokens(count: int = 6, channels: int = 12, batch: int = 2) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(batch, count, channels)).astype(np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def slow(layer: SelfAttention, x: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """What the layer says of one set of tokens `[N, C]`, head by head and token by token; `bias` `[A, N, N]`."""
    heads, each = layer.num_heads, x.shape[-1] // layer.num_heads
    q, k, v = np.split(x @ layer.qkv.kernel.numpy() + layer.qkv.bias.numpy(), 3, axis=-1)
    found = np.zeros_like(x)
    for head in range(heads):
        own = slice(head * each, (head + 1) * each)
        for one in range(len(x)):
            products = k[:, own] @ q[one, own] / np.sqrt(each)
            if bias is not None:
                products = products + bias[head, one]
            found[one, own] = softmax(products) @ v[:, own]
    return found @ layer.out.kernel.numpy() + layer.out.bias.numpy()


def test_attention_is_worked_out_by_hand() -> None:
    # Equation 1 with d = 4: products 2 ln 3 and 0 over sqrt(4) give the weights 3/4 and 1/4.
    q = tf.constant([2.0 * np.log(3.0), 0, 0, 0], tf.float32, [1, 1, 1, 4])
    k = tf.constant([[1.0, 0, 0, 0], [0, 1.0, 0, 0]], tf.float32)[None, None]
    v = tf.constant([[4.0, 0, 0, 0], [8.0, 4.0, 0, 0]], tf.float32)[None, None]
    np.testing.assert_allclose(attention.attend(q, k, v)[0, 0], [[5.0, 1.0, 0, 0]], rtol=1e-6)
    # A bias of - ln 3 on the first makes both alike.
    np.testing.assert_allclose(attention.attend(q, k, v, tf.constant([-np.log(3.0), 0.0]))[0, 0], [[6.0, 2.0, 0, 0]], rtol=1e-6)


def test_outputs_and_gradients_equal_keras_multi_head_attention() -> None:
    ours, theirs, x = layer_of(), keras.layers.MultiHeadAttention(3, 4), tf.constant(tokens())
    theirs.build(x.shape, x.shape)
    kernels, biases = np.split(ours.qkv.kernel.numpy(), 3, axis=1), np.split(ours.qkv.bias.numpy(), 3)
    weights = [value.reshape(shape) for pair in zip(kernels, biases, strict=True) for value, shape in zip(pair, ((12, 3, 4), (3, 4)), strict=True)]
    theirs.set_weights([*weights, ours.out.kernel.numpy().reshape(3, 4, 12), ours.out.bias.numpy()])
    results = []
    for call in (ours, lambda x: theirs(x, x)):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x)
        results.append((y, tape.gradient(y, x, output_gradients=tf.sin(tf.range(12.0)) + tf.zeros_like(y))))
    for mine, reference in zip(*results, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=1e-4, atol=1e-5)


def test_the_index_names_each_offset_once() -> None:
    index = attention.relative_index(2, 3)
    assert index.shape == (6, 6)
    assert index.min() == 0
    assert index.max() == 3 * 5 - 1
    cells = [(row, column) for row in range(2) for column in range(3)]
    seen: dict[int, set[tuple[int, int]]] = {}
    for one, (row, column) in enumerate(cells):
        for other, (other_row, other_column) in enumerate(cells):
            seen.setdefault(int(index[one, other]), set()).add((row - other_row, column - other_column))
    assert all(len(offsets) == 1 for offsets in seen.values())
    assert len({offset for offsets in seen.values() for offset in offsets}) == len(seen) == 15
    assert (np.diag(index) == 7).all()


def test_relative_positions_equal_the_slow_reference() -> None:
    layer, x = layer_of(grid=(2, 3)), tokens()
    table = layer.relative_bias.numpy()
    assert table.shape == (3, 15)
    bias = table[:, attention.relative_index(2, 3)]
    for result, each in zip(layer(x).numpy(), x, strict=True):
        np.testing.assert_allclose(result, slow(layer, each, bias), rtol=1e-4, atol=1e-5)
    assert np.abs(layer(x).numpy()[0] - slow(layer, x[0])).max() > 0.1


def test_every_offset_s_bias_gets_a_dense_gradient() -> None:
    layer, x = layer_of(grid=(2, 3)), tokens()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(x)))
    gradient = tape.gradient(loss, layer.relative_bias.value)
    assert isinstance(gradient, tf.Tensor)
    assert np.all(np.abs(gradient.numpy()) > 0)


def test_without_a_grid_the_order_of_tokens_is_nothing() -> None:
    x, order = tokens(), np.array([3, 0, 5, 1, 4, 2])
    plain, relative = layer_of(), layer_of(grid=(2, 3))
    np.testing.assert_allclose(plain(x[:, order]), plain(x).numpy()[:, order], rtol=1e-4, atol=1e-5)
    assert np.abs(relative(x[:, order]).numpy() - relative(x).numpy()[:, order]).max() > 0.1


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_softmax_is_float32_in_mixed_precision(policy: str) -> None:
    layer = layer_of(dtype=policy)
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec([None, 6, 12], layer.compute_dtype)).graph
    (operation,) = [each for each in graph.get_operations() if each.type == "Softmax"]
    assert operation.outputs[0].dtype == tf.float32
    assert layer(tokens()).dtype == layer.compute_dtype
    assert layer.qkv.kernel.dtype == "float32"


def test_no_tensor_has_more_than_four_dimensions() -> None:
    graph = tf.function(layer_of(grid=(2, 3))).get_concrete_function(tf.TensorSpec([None, 6, 12])).graph
    assert max(output.shape.rank or 0 for operation in graph.get_operations() for output in operation.outputs) == 4


def test_heads_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match="3 does not divide the 10 channels"):
        SelfAttention(3).build((None, 6, 10))
