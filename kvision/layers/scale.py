"""A learnt factor for each channel of what a block adds, so that deep networks begin near the identity.

Paper: Touvron et al. 2021 (CaiT), arXiv 2103.17239, equation 4.
Deviations: none.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("kvision")
class LayerScale(keras.layers.Layer):
    """Multiplies each channel by its own factor, which begins as `initial`."""

    def __init__(self, initial: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes `gamma` `[C]`."""
        self.gamma = self.add_weight(shape=(input_shape[-1],), initializer=keras.initializers.Constant(self.initial), name="gamma")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[..., C]` to the same shape."""
        return inputs * tf.cast(tf.convert_to_tensor(self.gamma), inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "initial": self.initial}
