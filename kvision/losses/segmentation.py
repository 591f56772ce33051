"""Losses of semantic segmentation: logits `[B, H, W, K]` and mask `[B, H, W]` (class numbers, 255 ignored) to one value an example `[B]`.

All are computed in float32. A mean is over the counted pixels of the example, so that each example weighs the same; an example without any
counts as 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.core.labels import IGNORE_LABEL

if TYPE_CHECKING:
    from collections.abc import Sequence


def cross_entropy(
    logits: tf.Tensor,
    mask: tf.Tensor,
    *,
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    pixel_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Mean over the counted pixels of w(x) (-log p(x, true class)).

    Weights multiply and are not divided out again: a class of weight 0.1 pulls a tenth, also in an image of that class alone.

    Args:
        logits: `[B, H, W, K]`.
        mask: Class numbers `[B, H, W]`, any integer dtype.
        class_weights: K factors by true class; none: all 1.
        label_smoothing: Share of the target that is spread evenly over all K classes (Szegedy 2015, section 7).
        pixel_weights: `[B, H, W]`, added to the class weight; see `border_weights`.

    Returns:
        `[B]`.
    """
    logits = tf.cast(logits, tf.float32)
    labels, counted = _labels(mask)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if label_smoothing:
        even = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_mean(logits, axis=-1)
        losses = (1.0 - label_smoothing) * losses + label_smoothing * even
    weights = _class_weights(labels, class_weights)
    if pixel_weights is not None:
        weights += pixel_weights
    return _mean(losses * weights, counted)


def focal(logits: tf.Tensor, mask: tf.Tensor, *, gamma: float = 2.0, class_weights: Sequence[float] | None = None) -> tf.Tensor:
    """Mean over the counted pixels of w (1 - p)^gamma (-log p), p the probability of the true class.

    Args:
        logits: `[B, H, W, K]`.
        mask: Class numbers `[B, H, W]`.
        gamma: Focusing exponent; 0 is cross-entropy.
        class_weights: K factors by true class (the paper's alpha).

    Returns:
        `[B]`.

    References:
        Lin 2017, arXiv 1708.02002, equations 4 and 5.
    """
    labels, counted = _labels(mask)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, tf.cast(logits, tf.float32))
    if gamma:
        # 1 - p, exact also where p rounds to 1, and kept off 0 where the power has no derivative.
        losses *= tf.pow(tf.maximum(-tf.math.expm1(-losses), 1e-7), gamma)
    return _mean(losses * _class_weights(labels, class_weights), counted)


def dice(logits: tf.Tensor, mask: tf.Tensor, *, smooth: float = 1.0) -> tf.Tensor:
    """One minus the soft Dice coefficient, averaged over the classes that the example's truth holds.

    A class's coefficient is (2 sum p t + smooth) / (sum p + sum t + smooth) over the counted pixels; classes absent from the truth are left
    out, for what is wrongly given to them is missing from the present ones.

    Args:
        logits: `[B, H, W, K]`.
        mask: Class numbers `[B, H, W]`.
        smooth: Pixels added above and below, so that tiny objects don't make the loss jump.

    Returns:
        `[B]`.

    References:
        Milletari 2016, arXiv 1606.04797, section 3, with plain instead of squared sums below.
    """
    num_classes, pixels = logits.shape[-1], logits.shape[1] * logits.shape[2]
    labels, counted = _labels(mask)
    flat = tf.reshape(tf.cast(logits, tf.float32), [-1, pixels, num_classes])
    counted = tf.reshape(counted, [-1, pixels, 1])
    probabilities = tf.nn.softmax(flat)
    truth = tf.one_hot(tf.reshape(labels, [-1, pixels]), num_classes) * counted
    predicted_sum = tf.reduce_sum(probabilities * counted, axis=1)
    true_sum = tf.reduce_sum(truth, axis=1)
    shared = tf.reduce_sum(probabilities * truth, axis=1)
    present = tf.cast(true_sum > 0, tf.float32)
    losses = 1.0 - (2.0 * shared + smooth) / (predicted_sum + true_sum + smooth)
    return tf.math.divide_no_nan(tf.reduce_sum(losses * present, axis=-1), tf.reduce_sum(present, axis=-1))


def border_weights(distances: tf.Tensor, *, w0: float = 10.0, sigma_px: float = 5.0) -> tf.Tensor:
    """The paper's extra weight of pixels between two close objects, w0 exp(-(d1 + d2)^2 / (2 sigma^2)).

    Args:
        distances: Pixels to the nearest and second nearest object `[B, H, W, 2]`, infinite where there is none; see `masks.two_nearest`.
        w0: Weight where two objects touch.
        sigma_px: Reach, pixels.

    Returns:
        `[B, H, W]`.

    References:
        Ronneberger 2015, arXiv 1505.04597, equation 2.
    """
    return w0 * tf.exp(-tf.square(tf.reduce_sum(distances, axis=-1)) / (2.0 * sigma_px**2))


def _labels(mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Labels int32 with 0 for ignored pixels, and float32 1 where a pixel counts."""
    mask = tf.cast(mask, tf.int32)
    counted = mask != IGNORE_LABEL
    return tf.where(counted, mask, 0), tf.cast(counted, tf.float32)


def _class_weights(labels: tf.Tensor, class_weights: Sequence[float] | None) -> tf.Tensor:
    """The weight of each pixel's true class `[B, H, W]`, or 1."""
    return tf.constant(1.0) if class_weights is None else tf.gather(tf.constant(class_weights, tf.float32), labels)


def _mean(losses: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Mean over the counted pixels of each example `[B]`."""
    return tf.math.divide_no_nan(tf.reduce_sum(losses * counted, axis=[1, 2]), tf.reduce_sum(counted, axis=[1, 2]))
