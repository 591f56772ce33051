"""State by name: names that do not depend on the process, strict about what does not fit, the same on all replicas."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import RunError
from kvision.engine import state


def net() -> keras.Model:
    image = keras.Input([8, 8, 3])
    x = keras.layers.Conv2D(2, 3)(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Conv2D(2, 3, name="down_2")(keras.layers.Dropout(0.5)(x))
    return keras.Model(image, keras.layers.Conv2D(2, 1)(x))


NAMES = [
    *(f"body/conv2d/{name}" for name in ("kernel", "bias")),
    *(f"body/batch_normalization/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")),
    *(f"body/down_2/{name}" for name in ("kernel", "bias")),
    *(f"body/conv2d_1/{name}" for name in ("kernel", "bias")),
]


def test_names_do_not_depend_on_what_was_built_before() -> None:
    keras.layers.Conv2D(1, 1)
    first, second = net(), net()
    assert list(state.weights({"body": first})) == NAMES  # seed generators are no weights
    assert list(state.weights({"body": second})) == NAMES
    assert first.layers[1].name != second.layers[1].name


def test_sequential_and_subclassed_networks_have_names_too() -> None:
    for _ in range(2):
        sequential = keras.Sequential([keras.Input([4]), keras.layers.Dense(2), keras.layers.Dense(1)])
        assert list(state.weights({"n": sequential})) == ["n/dense/kernel", "n/dense/bias", "n/dense_1/kernel", "n/dense_1/bias"]


def test_two_weights_of_one_name_are_refused() -> None:
    class Twins(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = keras.layers.Dense(1, name="twin"), keras.layers.Dense(1, name="twin")

        def call(self, x: tf.Tensor) -> tf.Tensor:
            return self.first(x) + self.second(x)

    twins = Twins()
    twins(tf.ones([1, 2]))
    with pytest.raises(ValueError, match="'twin/kernel'"):
        state.weights({"n": twins})


@pytest.mark.parametrize("replicas", [1, 2])
def test_what_is_read_can_be_written_elsewhere(replicas: int) -> None:
    values = state.read(state.weights({"body": net()}))
    values = {name: np.random.default_rng(1).normal(size=value.shape).astype(value.dtype) for name, value in values.items()}
    devices = [f"cpu:{index}" for index in range(replicas)]
    strategy = tf.distribute.MirroredStrategy(devices) if replicas > 1 else tf.distribute.OneDeviceStrategy("cpu:0")
    with strategy.scope():
        other = net()
    state.write(state.weights({"body": other}), values, "a checkpoint")
    for variable, value in zip(other.weights, values.values(), strict=True):
        for copy in strategy.experimental_local_results(variable.value):
            np.testing.assert_array_equal(copy.numpy(), value)
    np.testing.assert_equal(state.read(state.weights({"body": other})), values)


def test_values_that_are_read_are_copies() -> None:
    variable = tf.Variable([1.0, 2.0])
    values = state.read({"v": variable})
    variable.assign([3.0, 4.0])
    np.testing.assert_array_equal(values["v"], [1.0, 2.0])


def test_another_models_weights_are_refused_and_nothing_is_written() -> None:
    variables = {"net/a": tf.Variable(tf.zeros([2])), "net/b": tf.Variable(tf.zeros([3, 3]))}
    values = {"net/a": np.ones([2], np.float32), "net/b": np.ones([3, 4], np.float32), "net/c": np.ones([1], np.float32)}
    with pytest.raises(RunError) as caught:
        state.write(variables, values, "runs/x/checkpoints/step-00000012")
    message = str(caught.value)
    assert message.startswith("runs/x/checkpoints/step-00000012 holds the weights of another model; 2 differ:")
    assert "net/b: shape [3, 4] there, [3, 3] here" in message
    assert "net/c: shape [1] there; there is nothing of that name here" in message
    np.testing.assert_array_equal(variables["net/a"].numpy(), [0.0, 0.0])
    with pytest.raises(RunError, match=r"net/b: missing there; here it has shape \[3, 3\]"):
        state.write(variables, {"net/a": values["net/a"]}, "x")


def test_many_differences_are_counted_not_listed() -> None:
    variables = {f"net/{index:02d}": tf.Variable(0.0) for index in range(9)}
    with pytest.raises(RunError, match=r"9 differ(?s:.*)net/04(?s:.*)and 4 more"):
        state.write(variables, {}, "x")
