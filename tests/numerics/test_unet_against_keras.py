"""The U-Net trained with our batch normalisation goes the way that Keras' own goes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from kvision.layers import normalization
from tests.unit.systems.segmentation import examples

if TYPE_CHECKING:
    import pytest


def train(steps: int) -> tuple[list[float], list[np.ndarray]]:
    keras.utils.set_random_seed(4)
    system = examples.unet(16, loss={"name": "ce_dice"}, filters=(4, 8))
    batch, optimizer = examples.batch(4, 16), keras.optimizers.SGD(0.05)
    variables = system.net.trainable_variables
    optimizer.build(variables)

    @tf.function
    def step() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(system.example_losses(batch))
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        return loss

    return [float(step()) for _ in range(steps)], system.net.get_weights()


def test_losses_weights_and_moving_statistics_agree_over_ten_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    losses, weights = train(10)
    monkeypatch.setattr(normalization, "BatchNormalization", partial(keras.layers.BatchNormalization, momentum=0.9))
    reference_losses, reference_weights = train(10)
    assert losses[-1] < losses[0]
    np.testing.assert_allclose(losses, reference_losses, rtol=1e-4)
    for ours, theirs in zip(weights, reference_weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
