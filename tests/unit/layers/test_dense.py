"""Hidden layers: DropConnect, dropout between layers, the length of incoming weights, any activation."""

from __future__ import annotations

from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers import dense
from kvision.layers.dense import DropConnect
from kvision.layers.style import Activation, Style


def network(*units: int, style: Style | None = None, **options) -> keras.Model:
    entry = keras.Input((6,))
    return keras.Model(entry, dense.hidden(entry, units, style or Style(), **options))


def test_evaluation_takes_all_weights() -> None:
    layer, plain, x = DropConnect(5, 0.5), keras.layers.Dense(5), tf.random.normal((3, 6))
    layer.build((None, 6))
    plain.build((None, 6))
    plain.set_weights(layer.get_weights()[:2])
    np.testing.assert_array_equal(layer(x, training=False), plain(x))


def test_training_drops_the_share_of_the_weights_and_scales_the_others() -> None:
    layer = DropConnect(500, 0.25, kernel_initializer="ones", use_bias=False)
    seen = layer(tf.eye(40), training=True).numpy()  # the masked kernel itself
    assert set(np.unique(seen)) == {0.0, np.float32(1 / 0.75)}
    assert np.mean(seen == 0) == pytest.approx(0.25, abs=0.02)
    assert (seen != layer(tf.eye(40), training=True).numpy()).any()
    assert seen.mean() == pytest.approx(1.0, abs=0.03)


def test_the_bias_is_never_dropped() -> None:
    layer = DropConnect(4, 0.9, kernel_initializer="zeros", bias_initializer="ones", activation="relu")
    np.testing.assert_array_equal(layer(tf.ones((2, 3)), training=True), np.ones((2, 4)))


def test_it_is_saved_with_its_rate(tmp_path) -> None:
    model, x = network(3, dropconnect=0.3), tf.random.normal((2, 6))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("hidden0").rate == 0.3
    np.testing.assert_array_equal(loaded(x), model(x))


def test_the_computation_is_relu_of_a_matrix() -> None:
    model, x = network(4, 3), tf.random.normal((2, 6))
    first, bias1, second, bias2 = (each.numpy() for each in model.weights)
    by_hand = np.maximum(np.maximum(x.numpy() @ first + bias1, 0) @ second + bias2, 0)
    np.testing.assert_allclose(model(x), by_hand, rtol=1e-5, atol=1e-6)


def test_dropout_stands_between_the_layers_only() -> None:
    names = [layer.name for layer in network(4, 3, 2, dropout=0.5).layers if "dropout" in layer.name]
    assert names == ["hidden0_dropout", "hidden1_dropout"]


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_every_activation_and_norm_gives_as_many_units_as_asked_for(activation: str, norm: str) -> None:
    model = network(8, 4, style=Style(activation=activation), norm=norm)
    assert model.output_shape == (None, 4)
    assert model.get_layer("hidden0").use_bias is (norm == "none")
    assert np.isfinite(model(tf.random.normal((3, 6)))).all()


def test_max_norm_holds_the_weights_into_each_unit_after_each_step() -> None:
    from kvision.core.schema import OptimOptions
    from kvision.engine import optimizers

    model = network(5, max_norm=0.5)
    kernel = model.get_layer("hidden0").kernel
    kernel.assign(tf.random.normal((6, 5)))
    direction = kernel.numpy() / np.linalg.norm(kernel.numpy(), axis=0)
    optimizer = optimizers.create(OptimOptions(name="sgd", lr=1.0, momentum=0.0), "test")
    optimizer.build([kernel])
    optimizer.update([tf.zeros((6, 5))], [kernel], tf.constant(1.0))
    np.testing.assert_allclose(np.linalg.norm(kernel.numpy(), axis=0), 0.5, rtol=1e-5)
    np.testing.assert_allclose(kernel.numpy() / np.linalg.norm(kernel.numpy(), axis=0), direction, rtol=1e-5)
