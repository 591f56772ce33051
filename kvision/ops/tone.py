"""Changes of tone as Pillow makes them: posterise, solarise, equalise, stretch, sharpen. Values are float32 whole numbers, 0-255."""

from __future__ import annotations

import tensorflow as tf


def posterize(image: tf.Tensor, bits: tf.Tensor) -> tf.Tensor:
    """Keeps the highest bits of every value.

    Args:
        image: float32 `[H, W, 3]`, 0-255.
        bits: How many of eight are kept, int32 scalar.

    Returns:
        float32 `[H, W, 3]`.
    """
    step = tf.cast(tf.bitwise.left_shift(1, 8 - bits), tf.float32)
    return tf.floor(image / step) * step


def solarize(image: tf.Tensor, threshold: tf.Tensor) -> tf.Tensor:
    """The negative of every value from the threshold (0-256, scalar) on, of `[H, W, 3]`."""
    return tf.where(image < threshold, image, 255.0 - image)


def autocontrast(image: tf.Tensor) -> tf.Tensor:
    """Each channel of `[H, W, 3]` stretched to 0-255; one with a single value stays as it is."""
    low, high = (reduce(image, axis=[0, 1]) for reduce in (tf.reduce_min, tf.reduce_max))
    stretched = tf.floor((image - low) * tf.math.divide_no_nan(255.0, high - low) + 1e-3)
    return tf.where(high > low, stretched, image)


def equalize(image: tf.Tensor) -> tf.Tensor:
    """Each channel of `[H, W, 3]` mapped so that its values become equally frequent, by Pillow's table of whole numbers."""
    return tf.stack([_equalized(channel) for channel in tf.unstack(tf.cast(tf.round(image), tf.int32), axis=-1)], axis=-1)


def _equalized(channel: tf.Tensor) -> tf.Tensor:
    counts = tf.math.bincount(tf.reshape(channel, [-1]), minlength=256, maxlength=256)
    # The highest value that is there does not count, so that it becomes 255.
    step = (tf.reduce_sum(counts) - counts[tf.reduce_max(channel)]) // 255
    table = tf.minimum((step // 2 + tf.cumsum(counts, exclusive=True)) // tf.maximum(step, 1), 255)
    return tf.cast(tf.where(step > 0, tf.gather(table, channel), channel), tf.float32)


def sharpness(image: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """The picture away from its smoothed self (factor above 1) or towards it (below); the outermost pixels stay.

    Args:
        image: float32 `[H, W, 3]`, 0-255.
        factor: 1 changes nothing; scalar.

    Returns:
        float32 `[H, W, 3]`, clipped to 0-255.
    """
    height, width, _ = image.shape
    if height < 3 or width < 3:
        return image
    # Weights 1 around 5, over 13, as in Pillow's SMOOTH.
    rows = image[:-2] + image[1:-1] + image[2:]
    smooth = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] + 4.0 * image[1:-1, 1:-1]) / 13.0
    smooth = tf.round(smooth)
    inner = tf.clip_by_value(smooth + factor * (image[1:-1, 1:-1] - smooth), 0.0, 255.0)
    return tf.concat([image[:1], tf.concat([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1), image[-1:]], axis=0)
