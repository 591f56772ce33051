"""ReLU and GELU that are compiled in training: equal to TensorFlow's own, and plain outside of training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from kvision.layers.activation import GELU, ReLU
from kvision.layers.normalization import BatchNormalization

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("plain", "options"), [(tf.nn.relu, {}), (tf.nn.relu6, {"max_value": 6.0})])
def test_output_and_gradient_are_exactly_those_of_tensorflow(plain: Callable, options: dict[str, float], dtype: str, training: bool) -> None:
    special = tf.constant([0.0, -0.0, 1e-30, -1e-30, np.inf, -np.inf, 6.0, 5.9, 6.1])
    x = tf.cast(tf.reshape(tf.concat([special, 4.0 * tf.random.normal([51])], 0), [3, 4, 5]), dtype)
    upstream = tf.cast(tf.random.normal([3, 4, 5]), dtype)
    layer = ReLU(dtype=dtype, **options)

    def step(relu) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = relu(x)
        return [y, tape.gradient(y, x, output_gradients=upstream)]

    for mine, reference in zip(tf.function(step)(lambda x: layer(x, training=training)), step(plain), strict=True):
        assert mine.dtype == reference.dtype
        np.testing.assert_array_equal(mine.numpy(), reference.numpy())


@pytest.mark.parametrize("options", [{"max_value": 6.0}, {"negative_slope": 0.1}, {"threshold": 1.0}])
def test_other_kinds_are_those_of_keras(options: dict[str, float]) -> None:
    x = tf.constant([-3.0, 0.5, 2.0, 8.0])
    np.testing.assert_array_equal(ReLU(**options)(x, training=True), keras.layers.ReLU(**options)(x))


def test_gradients_of_gradients() -> None:
    x, layer = tf.constant([-1.0, 2.0, 3.0]), ReLU()
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = layer(x, training=True) ** 3
        slope = inner.gradient(y, x)
    np.testing.assert_allclose(outer.gradient(slope, x), [0.0, 12.0, 18.0])


def test_in_bfloat16_it_is_compiled_unless_tensorflow_fuses_it_into_a_batch_normalisation() -> None:
    def operations(dtype: tf.DType, **options: float) -> set[str]:
        graph = tf.function(lambda x: ReLU(dtype=dtype, **options)(x, training=True)).get_concrete_function(tf.TensorSpec([2, 4, 4, 16], dtype)).graph
        return {operation.type for operation in graph.get_operations()}

    assert "Relu" not in operations(tf.bfloat16)
    assert "Relu6" not in operations(tf.bfloat16, max_value=6.0)
    assert "Relu" in operations(tf.float32)
    assert "Relu6" in operations(tf.float32, max_value=6.0)
    image = keras.Input((4, 4, 16))
    model = keras.Model(image, ReLU(dtype="mixed_bfloat16")(BatchNormalization(dtype="mixed_bfloat16")(image)))
    graph = tf.function(lambda x: model(x, training=True)).get_concrete_function(tf.TensorSpec([2, 4, 4, 16])).graph
    assert "Relu" in {operation.type for operation in graph.get_operations()}


def test_only_plain_operations_are_exported() -> None:
    image = keras.Input((4,))
    model = keras.Model(image, ReLU()(image))
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec([None, 4])).graph
    assert {operation.type for operation in graph.get_operations()} <= {"Placeholder", "Relu", "Identity", "Cast"}


def test_a_model_with_it_is_saved_and_loaded(tmp_path) -> None:
    image = keras.Input((4,))
    keras.Model(image, ReLU(name="relu")(image)).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.get_layer("relu"), ReLU)
    np.testing.assert_array_equal(loaded(tf.constant([[-1.0, 0.0, 2.0, 3.0]])), [[0.0, 0.0, 2.0, 3.0]])


@pytest.mark.parametrize(("dtype", "apart"), [("float64", 1e-12), ("float32", 1e-6), ("bfloat16", 2**-8), ("float16", 2**-11)])
def test_gelu_and_its_gradient_are_those_of_scipy_s_normal_distribution(dtype: str, apart: float) -> None:
    x = tf.cast(tf.concat([tf.linspace(-9.0, 9.0, 181), [0.0, 40.0, -40.0]], 0), dtype)
    upstream = tf.cast(tf.random.normal(x.shape), dtype)
    layer, wide = GELU(dtype=dtype), tf.cast(x, tf.float64).numpy()
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=True)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(tf.cast(y, tf.float64), wide * norm.cdf(wide), rtol=apart, atol=apart)
    gradient = tf.cast(upstream, tf.float64) * (norm.cdf(wide) + wide * norm.pdf(wide))
    np.testing.assert_allclose(tf.cast(tape.gradient(y, x, output_gradients=upstream), tf.float64), gradient, rtol=apart, atol=2 * apart)
    np.testing.assert_array_equal(layer(x, training=False), tf.nn.gelu(x))


def test_gelu_by_hand() -> None:
    # P(X <= 1) is 0.841345, P(X <= -1) the rest.
    np.testing.assert_allclose(GELU()(tf.constant([-1.0, 0.0, 1.0]), training=True), [-0.158655, 0.0, 0.841345], atol=1e-6)


def test_only_plain_operations_of_gelu_are_exported() -> None:
    graph = tf.function(lambda x: GELU()(x, training=False)).get_concrete_function(tf.TensorSpec([4])).graph
    assert not any("Call" in operation.type for operation in graph.get_operations())
