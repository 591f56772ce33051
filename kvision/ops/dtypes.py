"""The dtype of sums, logarithms and exponentials: float32 at least, float64 where that is what comes, as the check of the gradients wants it."""

from __future__ import annotations

import tensorflow as tf


def wide(dtype: tf.DType) -> tf.DType:
    """float64 for float64, for all others float32."""
    return tf.float64 if dtype == tf.float64 else tf.float32


def widened(x: tf.Tensor) -> tf.Tensor:
    """The values `[...]` in float32, or in float64 as they are."""
    return tf.cast(x, wide(x.dtype))
