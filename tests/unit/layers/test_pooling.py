"""Fractional max-pooling: Graham's sequences, TensorFlow's own operation, and in evaluation a fixed answer that devices can compute."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from kvision.layers import pooling
from kvision.layers.pooling import FractionalMaxPooling2D


@pytest.mark.parametrize(
    ("length", "count", "share", "expected"),
    [
        (5, 3, 0.5, [0, 2, 3, 5]),  # alpha 5/3, u at most 9/5 - 1 and so 0.4 here: ceil(5/3 * 1.4) = 3, ceil(5/3 * 2.4) = 4, less 1
        (6, 4, 0.5, [0, 2, 3, 5, 6]),  # alpha 3/2, u 0.5: ceil(2.25) = 3, ceil(3.75) = 4, ceil(5.25) = 6, less 1
        (6, 4, 0.9, [0, 2, 4, 5, 6]),  # u 0.9: ceil(2.85) = 3, ceil(4.35) = 5, ceil(5.85) = 6
        (6, 3, 0.7, [0, 2, 4, 6]),  # by two there is but one way
        (7, 1, 0.3, [0, 7]),
        (1, 1, 0.3, [0, 1]),
    ],
)
def test_boundaries_by_hand(length: int, count: int, share: float, expected: list[int]) -> None:
    assert pooling.boundaries(length, count, tf.constant(share)).numpy().tolist() == expected


@pytest.mark.parametrize("ratio", [1.1, 2**0.5, 1.9, 2.5])
def test_steps_differ_by_at_most_one_and_reach_from_end_to_end(ratio: float) -> None:
    for length in (3, 7, 13, 28):
        count = int(length / ratio)
        for share in (0.01, 0.4, 0.99):
            bounds = pooling.boundaries(length, count, tf.constant(share)).numpy()
            steps = np.diff(bounds)
            assert (bounds[0], bounds[-1], len(steps)) == (0, length, count)
            assert steps.min() >= 1
            assert steps.max() - steps.min() <= 1


@pytest.mark.parametrize("ratio", [1.3, 1.8])
def test_regions_are_pooled_as_tensorflow_pools_them(ratio: float) -> None:
    x = tf.random.normal((2, 13, 11, 3))
    reference, rows, columns = tf.nn.fractional_max_pool(x, [1, ratio, ratio, 1], pseudo_random=True, overlapping=True, seed=7)
    ours = pooling.pool(pooling.pool(x, tf.cast(rows, tf.int32), 1), tf.cast(columns, tf.int32), 2)
    np.testing.assert_array_equal(ours, reference)


def test_training_draws_and_evaluation_does_not() -> None:
    layer, x = FractionalMaxPooling2D(1.5), tf.random.normal((2, 20, 20, 1))
    drawn = {layer(x, training=True).numpy().tobytes() for _ in range(4)}
    fixed = {layer(x, training=False).numpy().tobytes() for _ in range(4)}
    assert len(drawn) > 1
    assert len(fixed) == 1
    assert layer(x).shape == layer.compute_output_shape(x.shape) == (2, 13, 13, 1)


def test_every_pixel_can_be_the_maximum_and_gets_the_gradient() -> None:
    x = tf.constant(np.random.default_rng(0).permutation(64).reshape(1, 8, 8, 1).astype(np.float32))
    layer = FractionalMaxPooling2D(1.4)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    gradient = tape.gradient(y, x).numpy().ravel()
    assert float(tf.reduce_max(y)) == 63.0
    # A pixel's gradient counts the regions whose maximum it is.
    expected = np.bincount(y.numpy().ravel().astype(int), minlength=64)
    np.testing.assert_array_equal(gradient[np.argsort(x.numpy().ravel())], expected)


def test_it_is_converted_to_operations_of_every_device_and_saved(tmp_path) -> None:
    image = keras.Input((10, 10, 2), batch_size=1)
    model = keras.Model(image, FractionalMaxPooling2D(1.5, name="pool")(image))
    x = np.random.default_rng(0).normal(size=(1, 10, 10, 2)).astype(np.float32)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("pool").ratio == 1.5
    np.testing.assert_array_equal(loaded(x), model(x))
    call = tf.function(lambda x: loaded(x, training=False)).get_concrete_function(tf.TensorSpec((1, 10, 10, 2)))
    interpreter = Interpreter(model_content=tf.lite.TFLiteConverter.from_concrete_functions([call], model).convert())
    assert {detail["op_name"] for detail in interpreter._get_ops_details()} == {"GATHER", "MAXIMUM"}
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), model(x))
