"""Numbers out of the bytes of a string tensor: how the heads of files are read in the graph. Reading past the end gives zeros, never an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Sequence


def read(data: tf.Tensor, at: int | tf.Tensor, count: int | tf.Tensor) -> tf.Tensor:
    """Bytes of a string.

    Args:
        data: String scalar.
        at: Place of the first byte, not negative.
        count: How many, at least 1.

    Returns:
        int32 `[count]`, 0-255; 0 beyond the end.
    """
    inside = tf.strings.substr(data, tf.minimum(at, tf.strings.length(data)), count)
    return tf.cast(tf.io.decode_raw(inside, tf.uint8, fixed_length=count), tf.int32)


def begins(found: tf.Tensor, expected: bytes) -> tf.Tensor:
    """Whether bytes int32 `[N]`, as `read` gives them, begin with these; bool scalar."""
    return tf.reduce_all(found[: len(expected)] == list(expected))


def number(found: tf.Tensor, *, little: bool | tf.Tensor) -> tf.Tensor:
    """The unsigned number that bytes int32 `[..., N]`, N at most 7, spell: int64 `[...]`; `little`: the least significant one first."""
    count = found.shape[-1]
    rising = [256**place for place in range(count)]
    weights: Sequence[int] | tf.Tensor = tf.where(little, tf.constant(rising, tf.int64), tf.constant(rising[::-1], tf.int64))
    return tf.reduce_sum(tf.cast(found, tf.int64) * weights, axis=-1)
