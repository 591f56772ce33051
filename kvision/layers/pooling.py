"""Fractional max-pooling: a picture shrinks by a factor below two, in regions drawn anew for each step.

Paper: Graham 2014, arXiv 1412.6071.
Deviations: only pseudorandom, overlapping regions; evaluation uses one fixed choice of regions, not the vote of several.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kvision.ops import draws


@keras.saving.register_keras_serializable("kvision")
class FractionalMaxPooling2D(keras.layers.Layer):
    """Divides height and width by `ratio`, rounded down; in evaluation the regions are spread evenly, by operations that every device has."""

    def __init__(self, ratio: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ratio = ratio
        self.seed_generator = draws.of_the_batch(keras.random.SeedGenerator())

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[B, H, W, C]` to `[B, H / ratio, W / ratio, C]`."""
        shares = tf.constant([0.5, 0.5])
        if training:
            shares = keras.random.uniform([2], dtype="float32", seed=self.seed_generator)
        for axis in (1, 2):
            length = inputs.shape[axis]
            inputs = pool(inputs, boundaries(length, self._pooled(length), shares[axis - 1]), axis)
        return inputs

    def _pooled(self, length: int) -> int:
        return max(1, int(length / self.ratio))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Height and width divided."""
        batch, height, width, channels = input_shape
        return batch, self._pooled(height), self._pooled(width), channels  # type: ignore[arg-type]

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "ratio": self.ratio}


def boundaries(length: int, count: int, share: tf.Tensor) -> tf.Tensor:
    """Where the regions begin, and where the last one ends: a pseudorandom sequence of steps that differ by at most one.

    Args:
        length: Pixels.
        count: Regions.
        share: Where in the range that is allowed the offset u lies, float32 scalar in (0, 1).

    Returns:
        int32 `[count + 1]` from 0 to `length`.

    References:
        Graham 2014, section 2.1: a_i = ceil(alpha (i + u)), here counted from 0. u is kept small enough that the first and the last step are no
        longer and no shorter than the others, as TensorFlow's own operation has it.
    """
    alpha = length / count
    low = -(-length // count) - 1  # the shorter step; the longer one is one more
    most = max(0.0, min(1.0, (low + 2) / alpha - 1.0, (length + 1 - low) / alpha - (count - 1)))
    inner = tf.math.ceil(alpha * (tf.range(1, count, dtype=tf.float32) + share * most)) - 1.0
    return tf.concat([[0], tf.cast(inner, tf.int32), [length]], axis=0)


def pool(x: tf.Tensor, bounds: tf.Tensor, axis: int) -> tf.Tensor:
    """The maximum over each region along one axis, the first place of the next region included.

    Args:
        x: `[B, H, W, C]`.
        bounds: As `boundaries` gives them.
        axis: 1 or 2.

    Returns:
        `x` with as many places along the axis as there are regions.
    """
    length, count = x.shape[axis], bounds.shape[0] - 1
    start, end = bounds[:-1], tf.minimum(bounds[1:], length - 1)
    longest = -(-length // count) + 1
    parts = [tf.gather(x, tf.minimum(start + offset, end), axis=axis) for offset in range(longest)]
    result = parts[0]
    for part in parts[1:]:
        result = tf.maximum(result, part)
    return result
