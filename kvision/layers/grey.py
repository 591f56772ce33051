"""Pictures without colour."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

BRIGHTNESS = (0.299, 0.587, 0.114)
"""Shares of red, green and blue (ITU-R BT.601), as Pillow has them."""


@keras.saving.register_keras_serializable("kvision")
class Grey(keras.layers.Layer):
    """The brightness of RGB pictures; of pictures whose channels are equal, one of them.

    Args:
        **kwargs: As for every Keras layer; `dtype` is float32 whatever the policy.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[..., 3]` to `[..., 1]`."""
        return tf.reduce_sum(inputs * tf.constant(BRIGHTNESS, inputs.dtype), axis=-1, keepdims=True)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """One channel."""
        return *input_shape[:-1], 1
