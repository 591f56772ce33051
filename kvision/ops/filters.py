"""Blur, noise and erased squares. Values are float32, 0-255."""

from __future__ import annotations

import math

import tensorflow as tf


def gaussian_blur(image: tf.Tensor, sigma_px: tf.Tensor, largest_px: float) -> tf.Tensor:
    """Gaussian blur, mirrored at the edges.

    Args:
        image: float32 `[H, W, C]`.
        sigma_px: Standard deviation, pixels; scalar above 0 and at most `largest_px`.
        largest_px: What the window is made for: it reaches three of these to each side.

    Returns:
        float32 `[H, W, C]`.
    """
    height, width, _ = image.shape
    reach = min(math.ceil(3 * largest_px), height - 1, width - 1)
    offsets = tf.range(-reach, reach + 1, dtype=tf.float32)
    weights = tf.exp(-0.5 * tf.square(offsets / sigma_px))
    weights = weights / tf.reduce_sum(weights)
    taps = range(2 * reach + 1)
    padded = tf.pad(image, [[reach, reach], [0, 0], [0, 0]], "REFLECT")
    rows = tf.add_n([weights[tap] * padded[tap : tap + height] for tap in taps])
    padded = tf.pad(rows, [[0, 0], [reach, reach], [0, 0]], "REFLECT")
    return tf.add_n([weights[tap] * padded[:, tap : tap + width] for tap in taps])


def gaussian_noise(image: tf.Tensor, std: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Independent normal noise on every value.

    Args:
        image: float32 `[H, W, C]`, 0-255.
        std: Standard deviation as a fraction of 255; scalar.
        seed: Integers `[2]`.

    Returns:
        float32 `[H, W, C]`, clipped to 0-255.
    """
    noise = tf.random.stateless_normal(image.shape, seed)
    return tf.clip_by_value(image + noise * (std * 255.0), 0.0, 255.0)


def square(height: int, width: int, side: float, centre: tf.Tensor) -> tf.Tensor:
    """Which pixels lie in a square, part of which may be beyond the edges.

    Args:
        height: H, pixels.
        width: W, pixels.
        side: Side as a fraction of the shorter side of the picture.
        centre: `[2]` in 0..1, as (y, x).

    Returns:
        bool `[H, W]`.
    """
    half = side * min(height, width) / 2
    rows = tf.abs(tf.range(height, dtype=tf.float32) + 0.5 - centre[0] * height) < half
    cols = tf.abs(tf.range(width, dtype=tf.float32) + 0.5 - centre[1] * width) < half
    return rows[:, None] & cols[None, :]
