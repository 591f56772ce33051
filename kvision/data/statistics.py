"""Mean and standard deviation of each colour channel, from the training split alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.cache import reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.source import Split

EXAMPLES = 512
Colour = tuple[float, float, float]


def channel_statistics(split: Split, on_error: Literal["stop", "skip"]) -> tuple[Colour, Colour]:
    """Mean and standard deviation of each channel over up to 512 evenly spaced examples.

    The sums are whole numbers, so the result does not depend on the order or on the number of threads.

    Args:
        split: The training split.
        on_error: Whether an example that can't be read stops, or is left out.

    Returns:
        Means and deviations of R, G, B, 0-1; a deviation is at least 1/255, so that a constant channel can be divided by it.

    Raises:
        DataError: If an example can't be read and `on_error` is `stop`, or if there is none at all.
    """
    chosen = spread(len(split), EXAMPLES)
    fields = frozenset({"image"})

    def sums(index: tf.Tensor) -> tf.Tensor:
        pixels = tf.cast(tf.reshape(split.read(index, fields)["image"], [-1, 3]), tf.int64)
        count = tf.fill([3], tf.shape(pixels, tf.int64)[0])
        return tf.stack([count, tf.reduce_sum(pixels, 0), tf.reduce_sum(pixels * pixels, 0)])

    parts = tf.data.Dataset.from_tensor_slices(np.array(chosen, np.int64)).map(sums, tf.data.AUTOTUNE)
    if on_error == "skip":
        parts = parts.ignore_errors()
    try:
        count, total, squares = parts.reduce(np.zeros([3, 3], np.int64), lambda left, right: left + right).numpy().astype(np.float64)
    except tf.errors.OpError as error:
        raise DataError(_first_unreadable(split, chosen) or str(error)) from error
    if not count.all():
        raise DataError(f"none of {len(chosen)} training examples can be read; the first is {split.names[0]}; see `kvision data check`")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1.0))
    return _colour(mean), _colour(std)


def spread(total: int, count: int) -> list[int]:
    """Up to `count` of the numbers 0..total - 1, evenly spaced."""
    return np.unique(np.linspace(0, total - 1, min(total, count)).round().astype(int)).tolist() if total else []


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = (float(value) / 255 for value in values)
    return red, green, blue


def _first_unreadable(split: Split, chosen: Sequence[int]) -> str | None:
    """Names the first of these examples that can't be read."""
    for index in chosen:
        try:
            split.read(tf.constant(index, tf.int64), frozenset({"image"}))
        except tf.errors.OpError as error:
            return f"{split.names[index]}: {reason(error)}. Mend or remove the file, or set data.on_error: skip"
    return None
