"""Losses of sentences: of tokens, and of where the network looked while it said them.

Shapes: T steps, N sentences, V numbers of the vocabulary, G places of the grid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.ops import dtypes

if TYPE_CHECKING:
    from collections.abc import Callable

_MANY = 1000
"""Size of a vocabulary from which on a compiled loss saves more than it takes to compile it."""


def cross_entropy(logits: tf.Tensor, targets: tf.Tensor, *, label_smoothing: float = 0.0) -> tf.Tensor:
    """Minus the log-probability of each token.

    Args:
        logits: `[T, N, V]`.
        targets: Numbers `[T, N]`.
        label_smoothing: Share of the target that is spread evenly over all numbers (Szegedy 2015, arXiv 1512.00567, section 7).

    Returns:
        `[T, N]`; log V for equal logits.
    """
    if logits.shape[-1] >= _MANY and not label_smoothing and logits.dtype != tf.float64:
        return _fused(logits, targets)
    logits = dtypes.widened(logits)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
    if not label_smoothing:
        return losses
    even = tf.reduce_logsumexp(logits, axis=-1) - tf.reduce_mean(logits, axis=-1)
    return (1.0 - label_smoothing) * losses + label_smoothing * even


@tf.custom_gradient
def _fused(logits: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, None]]]:
    """The cross-entropy in two passes over the logits, one for its gradient, with nothing of their size between."""
    losses, totals = _forward(logits, targets)
    return losses, lambda upstream: (_backward(logits, targets, totals, upstream), None)


@tf.function(jit_compile=True, autograph=False)
def _forward(logits: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Losses, and the logarithms of the sums of the exponentials, `[T, N]`."""
    wide = tf.cast(logits, tf.float32)
    totals = tf.reduce_logsumexp(wide, axis=-1)
    return totals - tf.reduce_sum(tf.where(_is_target(targets, wide), wide, 0.0), axis=-1), totals


@tf.function(jit_compile=True, autograph=False)
def _backward(logits: tf.Tensor, targets: tf.Tensor, totals: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    """The gradient `[T, N, V]` in the dtype of the logits."""
    p = tf.exp(tf.cast(logits, tf.float32) - totals[..., None])
    return tf.cast(upstream[..., None] * tf.where(_is_target(targets, p), p - 1.0, p), logits.dtype)


def _is_target(targets: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Where the target is, bool `[T, N, V]`."""
    return tf.cast(targets, tf.int32)[..., None] == tf.range(like.shape[-1])


def doubly_stochastic(alpha: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """How far each sentence is from looking at all places equally: the mean over the places of (1 - what each got of all steps) squared.

    Args:
        alpha: `[T, N, G]`, which add up to 1 at each step.
        counted: `[T, N]`, 1 at the steps of the sentence, 0 behind its end.

    Returns:
        `[N]`.

    References:
        Xu et al. 2015, arXiv 1502.03044, equation 14, there the sum over the places.
    """
    got = tf.reduce_sum(alpha * tf.cast(counted, alpha.dtype)[..., None], axis=0)
    return tf.reduce_mean(tf.square(1.0 - got), axis=-1)


def places_drawn(alpha: tf.Tensor, chosen: tf.Tensor, losses: tf.Tensor, counted: tf.Tensor, *, entropy: float) -> tf.Tensor:
    """What teaches hard attention, whose draws have no gradient: REINFORCE, by how much better each token went than the sentence.

    Args:
        alpha: `[T, N, G]`, the probabilities of the places.
        chosen: `[T, N, G]`, 1 at the place drawn.
        losses: `[T, N]`, of the tokens.
        counted: `[T, N]`, 1 at the steps of the sentence.
        entropy: Weight of the places' entropy, which is rewarded.

    Returns:
        `[T, N]`, to be added to the losses; its value means nothing, its gradient does.

    References:
        Xu et al. 2015, arXiv 1502.03044, section 4.1, the last equation; there the reward is the whole sentence's and the baseline a moving mean.
    """
    log_alpha = tf.math.log(alpha + 1e-20)
    counted = tf.cast(counted, alpha.dtype)
    cost = tf.stop_gradient(losses)
    advantage = cost - tf.math.divide_no_nan(tf.reduce_sum(cost * counted, axis=0), tf.reduce_sum(counted, axis=0))
    return advantage * tf.reduce_sum(chosen * log_alpha, axis=-1) + entropy * tf.reduce_sum(alpha * log_alpha, axis=-1)
