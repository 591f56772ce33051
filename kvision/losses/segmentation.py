"""Losses of semantic segmentation: logits `[B, H, W, K]` and mask `[B, H, W]` (class numbers, 255 ignored) to one value an example `[B]`.

All are computed in float32, or in float64 where the logits are. A mean is over the counted pixels of the example, so that each example weighs
the same; an example without any counts as 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision.core.labels import IGNORE_LABEL
from kvision.ops import dtypes

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
    logits, truth, counted = _flatten(logits, mask)
    losses = -_log_true(logits, truth)
    if label_smoothing:
        even = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_mean(logits, axis=-1)
        losses = (1.0 - label_smoothing) * losses + label_smoothing * even
    weights = _class_weights(truth, class_weights)
    if pixel_weights is not None:
        weights += tf.cast(tf.reshape(pixel_weights, tf.shape(counted)), counted.dtype)
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
    logits, truth, counted = _flatten(logits, mask)
    losses = -_log_true(logits, truth)
    if gamma:
        # 1 - p, exact also where p rounds to 1, and kept off 0 where the power has no derivative.
        losses *= tf.pow(tf.maximum(-tf.math.expm1(-losses), 1e-7), gamma)
    return _mean(losses * _class_weights(truth, class_weights), counted)


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
    logits, truth, counted = _flatten(logits, mask)
    probabilities, log_true = _softmax(logits, truth)
    return _dice(probabilities, tf.exp(log_true), truth, counted, smooth)


def cross_entropy_dice(
    logits: tf.Tensor, mask: tf.Tensor, *, class_weights: Sequence[float] | None = None, label_smoothing: float = 0.0, smooth: float = 1.0
) -> tf.Tensor:
    """`cross_entropy` plus `dice` in half the time, because they share one softmax.

    Args:
        logits: `[B, H, W, K]`.
        mask: Class numbers `[B, H, W]`.
        class_weights: K factors on the cross-entropy by true class; none: all 1.
        label_smoothing: Of the cross-entropy.
        smooth: Of the Dice loss.

    Returns:
        `[B]`.
    """
    if label_smoothing:
        return cross_entropy(logits, mask, class_weights=class_weights, label_smoothing=label_smoothing) + dice(logits, mask, smooth=smooth)
    logits, truth, counted = _flatten(logits, mask)
    probabilities, log_true = _softmax(logits, truth)
    losses = _mean(-log_true * _class_weights(truth, class_weights), counted)
    return losses + _dice(probabilities, tf.exp(log_true), truth, counted, smooth)


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


def _flatten(logits: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Logits `[B, H W, K]`, the truth one-hot of the same shape (zeros where ignored), and 1 where a pixel counts `[B, H W]`; of one dtype."""
    _, height, width, num_classes = logits.shape
    dtype = dtypes.wide(logits.dtype)
    mask = tf.reshape(tf.cast(mask, tf.int32), [-1, height * width])
    truth = tf.one_hot(tf.where(mask == IGNORE_LABEL, -1, mask), num_classes, dtype=dtype)
    return tf.reshape(tf.cast(logits, dtype), [-1, height * width, num_classes]), truth, tf.cast(mask != IGNORE_LABEL, dtype)


@tf.function(jit_compile=True)
@tf.custom_gradient
def _log_true(logits: tf.Tensor, truth: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Log-probability of the true class `[B, P]`; TensorFlow's fused operation takes 1.4 times the time even of this uncompiled."""
    shifted, exponentials, total = _exponentials(logits)

    def gradient(d_log_true: tf.Tensor) -> tuple[tf.Tensor, None]:
        d_log_true = d_log_true[..., None]
        return d_log_true * truth - exponentials * (d_log_true / total), None

    return tf.reduce_sum(shifted * truth, axis=-1) - tf.math.log(total)[..., 0], gradient


@tf.custom_gradient
def _softmax(logits: tf.Tensor, truth: tf.Tensor) -> tuple[tuple[tf.Tensor, tf.Tensor], Any]:
    """Probabilities `[B, P, K]` and the log-probability of the true class `[B, P]`, computed and differentiated together."""
    shifted, exponentials, total = _exponentials(logits)
    probabilities = exponentials * (1.0 / total)

    def gradient(d_probabilities: tf.Tensor, d_log_true: tf.Tensor) -> tuple[tf.Tensor, None]:
        common = tf.reduce_sum(probabilities * d_probabilities, axis=-1) + d_log_true
        return probabilities * (d_probabilities - common[..., None]) + d_log_true[..., None] * truth, None

    return (probabilities, tf.reduce_sum(shifted * truth, axis=-1) - tf.math.log(total)[..., 0]), gradient


def _exponentials(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Logits less their maximum over the classes, the exponentials of that, and their sum `[B, P, 1]`."""
    shifted = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    exponentials = tf.exp(shifted)
    return shifted, exponentials, tf.reduce_sum(exponentials, axis=-1, keepdims=True)


def _dice(probabilities: tf.Tensor, true_probability: tf.Tensor, truth: tf.Tensor, counted: tf.Tensor, smooth: float) -> tf.Tensor:
    """See `dice`; sums over pixels are matrix products, the quickest way."""
    predicted_sum = tf.matmul(counted[:, None], probabilities)[:, 0]
    shared, true_sum = tf.unstack(tf.matmul(tf.stack([true_probability * counted, counted], axis=1), truth), axis=1)
    present = tf.cast(true_sum > 0, true_sum.dtype)
    losses = 1.0 - (2.0 * shared + smooth) / (predicted_sum + true_sum + smooth)
    return tf.math.divide_no_nan(tf.reduce_sum(losses * present, axis=-1), tf.reduce_sum(present, axis=-1))


def _class_weights(truth: tf.Tensor, class_weights: Sequence[float] | None) -> tf.Tensor:
    """The weight of each pixel's true class `[B, P]`, or 1."""
    return tf.ones([], truth.dtype) if class_weights is None else tf.linalg.matvec(truth, tf.constant(class_weights, truth.dtype))


def _mean(losses: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Mean over the counted pixels of each example `[B]`."""
    return tf.math.divide_no_nan(tf.reduce_sum(losses * counted, axis=-1), tf.reduce_sum(counted, axis=-1))
