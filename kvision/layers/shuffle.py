"""Channel shuffle: groups of channels dealt out among each other, so that the next grouped convolution sees some of each.

Paper: Zhang et al. 2018 (ShuffleNet), arXiv 1707.01083, section 3.1.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("kvision")
class ChannelShuffle(keras.layers.Layer):
    """Channel `i` of group `g` becomes channel `g` of group `i`; shuffling by C / groups afterwards puts all back."""

    def __init__(self, groups: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.groups = groups

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` to the same shape; by tensors of four dimensions, which every device transposes."""
        height, width, channels = inputs.shape[1:]
        dealt = tf.transpose(tf.reshape(inputs, [-1, height * width, self.groups, channels // self.groups]), [0, 1, 3, 2])
        return tf.reshape(dealt, [-1, height, width, channels])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "groups": self.groups}
