"""Losses of image classification: logits `[B, K]` and a target to one value an example `[B]`.

A target is the class number `[B]`, or a share of each class `[B, K]` where examples are mixed. Every loss that takes shares is linear in them:
an example mixed from two classes costs the same mix of what each of them costs. All are computed in float32, or in float64 where logits are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.ops import dtypes

if TYPE_CHECKING:
    from collections.abc import Sequence


def cross_entropy(logits: tf.Tensor, target: tf.Tensor, *, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> tf.Tensor:
    """Minus the log-probability of the true class.

    Args:
        logits: `[B, K]`.
        target: Class numbers `[B]` or shares `[B, K]`.
        label_smoothing: Share of the target that is spread evenly over all K classes (Szegedy 2015, arXiv 1512.00567, section 7).
        class_weights: K factors by true class; they multiply and are not divided out again; none: all 1.

    Returns:
        `[B]`; log K for equal logits.
    """
    logits, shares = _prepare(logits, target, class_weights)
    log_p = tf.nn.log_softmax(logits)
    losses = -tf.reduce_sum(shares * log_p, axis=-1)
    if not label_smoothing:
        return losses
    even = -tf.reduce_mean(log_p, axis=-1) * tf.reduce_sum(shares, axis=-1)
    return (1.0 - label_smoothing) * losses + label_smoothing * even


def focal(logits: tf.Tensor, target: tf.Tensor, *, gamma: float = 2.0, class_weights: Sequence[float] | None = None) -> tf.Tensor:
    """(1 - p)^gamma (-log p), p the probability of the true class: what is already right counts little.

    Args:
        logits: `[B, K]`.
        target: Class numbers `[B]` or shares `[B, K]`.
        gamma: Focusing exponent; 0 is cross-entropy.
        class_weights: K factors by true class (the paper's alpha).

    Returns:
        `[B]`.

    References:
        Lin 2017, arXiv 1708.02002, equations 4 and 5, over a softmax.
    """
    logits, shares = _prepare(logits, target, class_weights)
    log_p = tf.nn.log_softmax(logits)
    # 1 - p, exact also where p rounds to 1, and kept off 0 where the power has no derivative.
    complement = tf.maximum(-tf.math.expm1(log_p), 1e-7)
    return -tf.reduce_sum(shares * tf.pow(complement, gamma) * log_p, axis=-1)


def bootstrapped(logits: tf.Tensor, target: tf.Tensor, *, beta: float, hard: bool = False, class_weights: Sequence[float] | None = None) -> tf.Tensor:
    """Cross-entropy against a mix of the given label and the network's own opinion, for labels that are partly wrong.

    Args:
        logits: `[B, K]`.
        target: Class numbers `[B]` or shares `[B, K]`.
        beta: Share of the given label, 0..1; 1 is cross-entropy. The paper uses 0.95 for `soft` and 0.8 for `hard`.
        hard: Whether the opinion is the most probable class, or else all the probabilities, through which the gradient then flows, too.
        class_weights: K factors by given class, on the whole of an example's loss.

    Returns:
        `[B]`.

    References:
        Reed 2014, arXiv 1412.6596, section 3.2.
    """
    logits, shares = _prepare(logits, target, class_weights)
    log_p = tf.nn.log_softmax(logits)
    opinion = tf.one_hot(tf.argmax(logits, axis=-1), logits.shape[-1], dtype=logits.dtype) if hard else tf.exp(log_p)
    own = tf.reduce_sum(shares, axis=-1) * tf.reduce_sum(opinion * log_p, axis=-1)
    return -beta * tf.reduce_sum(shares * log_p, axis=-1) - (1.0 - beta) * own


def hinge(
    logits: tf.Tensor, label: tf.Tensor, *, margin: float = 1.0, squared: bool = False, class_weights: Sequence[float] | None = None
) -> tf.Tensor:
    """Sum over the other classes j of max(0, s_j - s_y + margin): the multiclass support vector machine.

    Args:
        logits: Scores `[B, K]`.
        label: Class numbers `[B]`.
        margin: By how much the true class must lead.
        squared: Whether each term is squared, which punishes large violations more.
        class_weights: K factors by true class.

    Returns:
        `[B]`; (K - 1) margin for equal scores, squared (K - 1) margin^2.

    References:
        Weston and Watkins 1999, "Support vector machines for multi-class pattern recognition", in the form of the course CS231n.
    """
    logits, shares = _prepare(logits, label, class_weights)
    true_score = tf.gather(logits, label, axis=-1, batch_dims=1)[:, None]
    others = 1.0 - tf.one_hot(label, logits.shape[-1], dtype=logits.dtype)
    violations = tf.nn.relu(logits - true_score + margin) * others
    return tf.reduce_sum(tf.square(violations) if squared else violations, axis=-1) * tf.reduce_sum(shares, axis=-1)


def binary_cross_entropy(
    logits: tf.Tensor, targets: tf.Tensor, *, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None
) -> tf.Tensor:
    """Mean over the classes of the cross-entropy of each class's own yes or no, for examples of any number of classes.

    Args:
        logits: `[B, K]`.
        targets: `[B, K]`, 0 no to 1 yes.
        label_smoothing: Share of each target that is spread evenly over yes and no.
        class_weights: K factors on the terms of the classes, whatever the answer; none: all 1.

    Returns:
        `[B]`; log 2 for logits of 0.
    """
    logits = dtypes.widened(logits)
    targets = (1.0 - label_smoothing) * tf.cast(targets, logits.dtype) + 0.5 * label_smoothing
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
    if class_weights is not None:
        losses *= tf.constant(class_weights, logits.dtype)
    return tf.reduce_mean(losses, axis=-1)


def _prepare(logits: tf.Tensor, target: tf.Tensor, class_weights: Sequence[float] | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits in float32 or wider, and each class's share of the target times its weight, both `[B, K]`."""
    logits = dtypes.widened(logits)
    shares = tf.one_hot(target, logits.shape[-1], dtype=logits.dtype) if target.shape.rank == 1 else tf.cast(target, logits.dtype)
    return logits, shares if class_weights is None else shares * tf.constant(class_weights, logits.dtype)
