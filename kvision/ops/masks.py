"""Pure functions on segmentation masks: one-hot sets, borders, growing, distances to objects."""

from __future__ import annotations

import math

import tensorflow as tf

from kvision.core.labels import IGNORE_LABEL

FAR_PX = 1e6
"""Stands for an infinite distance, pixels; its square is still exact enough in float32."""


def one_hot(mask: tf.Tensor, num_classes: int) -> tf.Tensor:
    """The set of each class's pixels; ignored pixels belong to none.

    Args:
        mask: Class numbers `[B, H, W]`, any integer dtype, 255 ignored.
        num_classes: K.

    Returns:
        0 or 1, `[B, H, W, K]`.
    """
    mask = tf.cast(mask, tf.int32)
    return tf.one_hot(tf.where(mask == IGNORE_LABEL, -1, mask), num_classes)


def grow(sets: tf.Tensor, radius_px: int) -> tf.Tensor:
    """Every pixel within `radius_px` of the set, in the chessboard distance (a square, separable and quick); `[B, H, W, K]` of 0 and 1."""
    side = 2 * radius_px + 1
    return tf.nn.max_pool2d(tf.nn.max_pool2d(sets, [side, 1], 1, "SAME"), [1, side], 1, "SAME")


def border(sets: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Pixels of a set that touch, also diagonally, a valid pixel outside it; the edge of the image is no border.

    Args:
        sets: 0 or 1, `[B, H, W, K]`.
        valid: 0 for pixels that nothing is known of, else 1, `[B, H, W, 1]`.

    Returns:
        0 or 1, `[B, H, W, K]`.
    """
    return sets * grow((1.0 - sets) * valid, 1)


def two_nearest(objects: tf.Tensor, reach_px: int) -> tf.Tensor:
    """Euclidean distances from each pixel to the nearest and the second nearest object, exact within a reach.

    Distances are to the nearest pixel of an object, 0 inside it. The squared distance to one object separates, min over rows of (dy^2 + min
    over columns of dx^2), and both minima are windows of 2 `reach_px` + 1 taps: the cost is N H W (4 `reach_px` + 2), N the largest number in
    the batch, whatever the objects look like.

    Args:
        objects: 0 none, 1..N, 255 ignored, `[B, H, W]`, any integer dtype.
        reach_px: Objects farther than this along a row or column may not be seen.

    Returns:
        `[B, H, W, 2]` pixels, ascending, `FAR_PX` where there is no object within reach.

    References:
        Felzenszwalb & Huttenlocher 2012, equation 5, with windows in place of lower envelopes.
    """
    objects = tf.cast(objects, tf.int32)
    objects = tf.where(objects == IGNORE_LABEL, 0, objects)
    batch, height, width = tf.shape(objects)[0], objects.shape[1], objects.shape[2]
    numbers = tf.range(1, tf.maximum(tf.reduce_max(objects), 2) + 1)
    outside = tf.cast(objects[:, None] != numbers[None, :, None, None], tf.float32) * FAR_PX**2
    parabola = tf.square(tf.range(-reach_px, reach_px + 1, dtype=tf.float32))
    squared = tf.reshape(outside, [-1, height, width, 1])
    for shape in ([1, -1, 1], [-1, 1, 1]):
        # Dilation of the negative with a negative parabola: -max(-f - g) = min(f + g).
        squared = -tf.nn.dilation2d(-squared, tf.reshape(-parabola, shape), [1, 1, 1, 1], "SAME", "NHWC", [1, 1, 1, 1])
    squared = tf.reshape(squared, [batch, -1, height, width])
    taken = tf.one_hot(tf.argmin(squared, axis=1), tf.size(numbers), on_value=True, off_value=False, axis=1)
    second = tf.reduce_min(tf.where(taken, FAR_PX**2, squared), axis=1)
    return tf.minimum(tf.sqrt(tf.stack([tf.reduce_min(squared, axis=1), second], axis=-1)), FAR_PX)


def tolerance_px(height: int, width: int, share: float = 0.0075) -> int:
    """Pixels by which a boundary may be off: a share of the image's diagonal, rounded up (Csurka 2013 takes 0.75%)."""
    return math.ceil(share * math.hypot(height, width))
