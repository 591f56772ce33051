"""Noisy layers, against the noise matrix written out."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from kvision.systems.rl._noisy import NoisyDense

X = np.random.default_rng(0).normal(size=[5, 3]).astype(np.float32)


def layer(activation: str | None = None) -> NoisyDense:
    made = NoisyDense(2, activation)
    made(tf.constant(X))
    made.sigma.assign(np.random.default_rng(1).normal(size=[3, 2]))
    made.sigma_bias.assign([0.3, -0.2])
    return made


def test_with_noise_each_weight_is_its_mean_and_its_share_of_the_outer_product() -> None:
    made, noise = layer(), np.random.default_rng(2).normal(size=[5, 5]).astype(np.float32)
    f = np.sign(noise) * np.sqrt(np.abs(noise))
    kernel, bias, sigma, sigma_bias = (variable.numpy() for variable in (made.kernel, made.bias, made.sigma, made.sigma_bias))
    wanted = [x @ (kernel + sigma * np.outer(e[:3], e[3:])) + bias + sigma_bias * e[3:] for x, e in zip(X, f, strict=True)]
    np.testing.assert_allclose(made(tf.constant(X), noise=tf.constant(noise)), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(made(tf.constant(X), noise=tf.constant(noise[:1]))[0], wanted[0], rtol=1e-5)


def test_without_noise_it_is_a_dense_layer() -> None:
    made = layer("relu")
    np.testing.assert_allclose(made(tf.constant(X)), np.maximum(X @ made.kernel.numpy() + made.bias.numpy(), 0), rtol=1e-5, atol=1e-6)


def test_it_begins_as_in_the_paper_and_is_saved_with_its_settings() -> None:
    made = NoisyDense(4, "relu")
    made.build((None, 16))
    assert np.abs(made.kernel.numpy()).max() <= 0.25
    np.testing.assert_array_equal(made.sigma, np.full([16, 4], 0.125, np.float32))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert (again.units, again.activation) == (4, "relu")
