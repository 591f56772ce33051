"""Dropout that depends on the example's place in the global batch, and not on who computes it.

Paper: Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from Overfitting.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kvision.ops import draws


@keras.saving.register_keras_serializable("kvision")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, bit for bit where one replica computes a whole batch; several leave out what that one would."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        if rate > 0:
            draws.of_the_batch(self.seed_generator)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[B, ...]` to the same shape."""
        if not training or self.rate == 0:
            return inputs
        kept = draws.uniform(tf.shape(inputs), self.seed_generator) >= self.rate
        return tf.where(kept, inputs * (1.0 / (1.0 - self.rate)), tf.zeros([], inputs.dtype))
