"""Convolutions that are faster in training: equal to Keras' own, and plain outside of training."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers.convolution import Conv2D, Conv2DTranspose, Logits


def pair(**options) -> tuple[Conv2DTranspose, keras.layers.Conv2DTranspose]:
    """Ours and Keras' layer with the same weights, the bias not zero."""
    ours, theirs = (kind(5, 2, strides=2, name="up", **options) for kind in (Conv2DTranspose, keras.layers.Conv2DTranspose))
    for layer in (ours, theirs):
        layer.build((None, 6, 4, 3))
    weights = [np.random.default_rng(0).normal(size=variable.shape) for variable in ours.weights]
    for layer in (ours, theirs):
        layer.set_weights(weights)
    return ours, theirs


def forward(layer: keras.layers.Layer, x: tf.Tensor, training: bool) -> tf.Tensor:
    """Outputs; Keras' own layers know of no training."""
    return layer(x, training=training) if isinstance(layer, Conv2D | Conv2DTranspose) else layer(x)


def step(layer: keras.layers.Layer, x: tf.Tensor, training: bool) -> list[np.ndarray]:
    """Outputs, and the gradients of the input and the weights under an uneven loss."""

    @tf.function
    def graph() -> list[tf.Tensor]:
        variables = [variable.value for variable in layer.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = forward(layer, x, training)
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


def operations(layer: keras.layers.Layer, x: tf.Tensor, training: bool) -> set[str]:
    """Types of the operations of a step."""

    @tf.function
    def graph(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            y = forward(layer, x, training)
        return tape.gradient(y, layer.kernel.value)

    return {operation.type for operation in graph.get_concrete_function(x).graph.get_operations()}


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("size", [(4, 4), (7, 5)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"padding": "same"},
        {"padding": "same", "strides": 2},
        {"strides": 2},
        {"strides": (1, 2), "padding": "same", "use_bias": True, "activation": "tanh"},
        {"kernel_size": 1, "strides": 3},
        {"kernel_size": (1, 2), "padding": "same"},
        {"kernel_size": 9, "padding": "same"},
    ],
)
def test_products_give_what_keras_gives(options: dict, size: tuple[int, int], dtype: str) -> None:
    kinds = Conv2D, keras.layers.Conv2D
    ours, theirs = (kind(**{"filters": 128, "kernel_size": 3, "use_bias": False, "dtype": dtype, **options}) for kind in kinds)
    for layer in (ours, theirs):
        layer.build((None, *size, 128))
    # Whole numbers, and powers of two of them, so that sums are exact in any order.
    kernel = tf.random.stateless_uniform(ours.kernel.shape, [3, 4], -3, 4, tf.int32).numpy() / 256
    for layer in (ours, theirs):
        layer.kernel.assign(kernel)
    x = tf.cast(tf.random.stateless_uniform((2, *size, 128), [1, 2], -3, 4, tf.int32), ours.compute_dtype)
    _, height, width, _ = ours.compute_output_shape(x.shape)
    small = height * width <= 16 or dtype == "mixed_bfloat16"
    used = operations(ours, x, training=True)
    assert ("Conv2DBackpropFilter" in used) is not small
    assert ("Conv2D" in used) is not (small and dtype == "float32" and ours.strides == (1, 1))
    for mine, reference in zip(step(ours, x, training=True), step(theirs, x, training=True), strict=True):
        scale = np.abs(reference).max()
        np.testing.assert_allclose(mine / scale, reference / scale, atol=2e-2 if dtype == "mixed_bfloat16" else 1e-6)


def test_the_kernel_s_gradient_by_hand() -> None:
    layer = Conv2D(128, 2, strides=2, use_bias=False)
    layer.build((None, 2, 4, 128))
    x = np.zeros((1, 2, 4, 128), np.float32)
    x[0, 0, :, 5] = 1.0, 2.0, 3.0, 4.0
    with tf.GradientTape() as tape:
        y = layer(tf.constant(x), training=True)
    gradient = tape.gradient(y, layer.kernel.value, output_gradients=tf.constant([10.0, 100.0], shape=[1, 1, 2, 1]) * tf.ones_like(y)).numpy()
    np.testing.assert_allclose(gradient[0, :, 5, 7], [310.0, 420.0])  # places 1 and 3 meet the left column of the kernel, 2 and 4 the right one
    assert not gradient[1].any()


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({"dilation_rate": 2}, (2, 8, 8, 128)),
        ({"groups": 2}, (2, 4, 4, 128)),
        ({}, (2, 4, 4, 64)),
        ({}, (2, 16, 16, 128)),
        ({}, (2, None, None, 128)),
    ],
)
def test_other_convolutions_are_left_to_tensorflow(options: dict, shape: tuple[int | None, ...]) -> None:
    ours, theirs = (kind(128, 3, padding="same", **options) for kind in (Conv2D, keras.layers.Conv2D))
    for layer in (ours, theirs):
        layer.build(shape)
    assert operations(ours, tf.TensorSpec(shape), training=True) == operations(theirs, tf.TensorSpec(shape), training=True)


def test_a_convolution_is_plain_outside_of_training() -> None:
    layer = Conv2D(128, 3, padding="same")
    layer.build((2, 4, 4, 128))
    assert "Conv2DBackpropFilter" in operations(layer, tf.TensorSpec((2, 4, 4, 128)), training=False)
