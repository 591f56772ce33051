"""Transposed convolution with a cheap bias: equal to Keras' own, and plain outside of training."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers.convolution import Conv2DTranspose, Logits


def pair(**options) -> tuple[Conv2DTranspose, keras.layers.Conv2DTranspose]:
    """Ours and Keras' layer with the same weights, the bias not zero."""
    ours, theirs = (kind(5, 2, strides=2, name="up", **options) for kind in (Conv2DTranspose, keras.layers.Conv2DTranspose))
    for layer in (ours, theirs):
        layer.build((None, 6, 4, 3))
    weights = [np.random.default_rng(0).normal(size=variable.shape) for variable in ours.weights]
    for layer in (ours, theirs):
        layer.set_weights(weights)
    return ours, theirs


def step(layer: keras.layers.Layer, x: tf.Tensor, training: bool) -> list[np.ndarray]:
    """Outputs, and the gradients of the input and the weights under an uneven loss."""

    @tf.function
    def graph() -> list[tf.Tensor]:
        variables = [variable.value for variable in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training) if isinstance(layer, Conv2DTranspose) else layer(x)
        upstream = tf.cast(tf.reshape(tf.range(tf.size(y)), tf.shape(y)) % 7 - 2, y.dtype)
        return [y, *tape.gradient(y, [x, *variables], output_gradients=upstream)]

    return [tf.cast(value, tf.float32).numpy() for value in graph()]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"activation": "tanh", "padding": "same"}, {"dtype": "mixed_bfloat16"}])
def test_outputs_and_gradients_equal_keras(options: dict, training: bool) -> None:
    ours, theirs = pair(**options)
    x = tf.cast(tf.random.normal((2, 6, 4, 3)), ours.compute_dtype)
    tolerance = 2e-2 if "dtype" in options else 1e-6
    for mine, reference in zip(step(ours, x, training), step(theirs, x, training), strict=True):
        np.testing.assert_allclose(mine, reference, rtol=tolerance, atol=tolerance)


def test_its_variables_are_those_of_keras() -> None:
    ours, theirs = pair()
    assert [(variable.path, variable.shape) for variable in ours.weights] == [(variable.path, variable.shape) for variable in theirs.weights]


def test_a_model_with_it_is_saved_and_loaded_and_is_plain(tmp_path) -> None:
    image = keras.Input((6, 4, 3))
    model = keras.Model(image, Conv2DTranspose(5, 2, strides=2)(image))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = tf.random.normal((2, 6, 4, 3))
    np.testing.assert_array_equal(model(x), loaded(x))
    graph = tf.function(lambda x: loaded(x, training=False)).get_concrete_function(tf.TensorSpec([2, 6, 4, 3])).graph
    assert not {"IdentityN", "PartitionedCall", "StatefulPartitionedCall"} & {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_logits_are_float32_and_those_of_a_convolution(policy: str) -> None:
    x = tf.random.stateless_normal([2, 5, 5, 4], [1, 2])
    ours, plain = Logits(3, 1, dtype=policy), keras.layers.Conv2D(3, 1, dtype=policy)
    for layer in (ours, plain):
        layer.build(x.shape)
    plain.set_weights(ours.get_weights())
    assert ours(keras.Input([5, 5, 4])).dtype == "float32"
    assert ours(x).dtype == tf.float32
    np.testing.assert_array_equal(ours(x), tf.cast(plain(x), tf.float32))


def test_logits_of_float64_stay_float64() -> None:
    layer = Logits(3, 1, dtype="float64")
    assert layer(keras.Input([5, 5, 4])).dtype == "float64"
    assert layer(tf.ones([2, 5, 5, 4], tf.float64)).dtype == tf.float64
