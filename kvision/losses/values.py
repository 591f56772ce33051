"""Losses of value functions that are learnt from other values: Huber's, and those of whole distributions of returns.

Shapes: B transitions, Z atoms or quantiles. `_tm1` belongs to the state that a transition begins with, `_t` to the one that it leads to.
"""

from __future__ import annotations

import tensorflow as tf


def huber(error: tf.Tensor, delta: float = 1.0) -> tf.Tensor:
    """Half the square of errors up to `delta`, and beyond it the line that goes on as steeply; `[...]` to `[...]`.

    References:
        Huber 1964; with delta 1 its gradient is the clipped error of Mnih et al. 2015, doi 10.1038/nature14236.
    """
    size = tf.abs(error)
    within = tf.minimum(size, delta)
    return within * (size - 0.5 * within)


def project(p_t: tf.Tensor, z_t: tf.Tensor, atoms: tf.Tensor) -> tf.Tensor:
    """A distribution over some returns as one over the fixed atoms: each probability goes to the two atoms next to its return.

    Args:
        p_t: Probabilities `[B, Z]`.
        z_t: The returns that they belong to, `[B, Z]`; those beyond the last atoms count as these.
        atoms: Equally spaced, rising, `[Z]`.

    Returns:
        Probabilities `[B, Z]` of the atoms.

    References:
        Bellemare et al. 2017, arXiv 1707.06887, eq. 7.
    """
    distance = tf.abs(tf.clip_by_value(z_t, atoms[0], atoms[-1])[:, None] - atoms[:, None]) / (atoms[1] - atoms[0])
    return tf.linalg.matvec(tf.nn.relu(1.0 - distance), p_t)


def categorical(logits_tm1: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of distributions over the atoms.

    Args:
        logits_tm1: What is learnt, `[B, Z]`.
        target: Probabilities `[B, Z]`.

    Returns:
        Nats `[B]`.

    References:
        Bellemare et al. 2017, arXiv 1707.06887, algorithm 1.
    """
    return -tf.reduce_sum(target * tf.nn.log_softmax(logits_tm1), axis=-1)


def quantile(quantiles_tm1: tf.Tensor, target: tf.Tensor, delta: float = 1.0) -> tf.Tensor:
    """Huber's loss of all pairs of a quantile and a target, weighted so that quantile i settles where the share (i + 0.5) / Z lies below.

    Args:
        quantiles_tm1: What is learnt, `[B, Z]`.
        target: Returns, equally probable, `[B, Z']`.
        delta: Of Huber's loss.

    Returns:
        `[B]`.

    References:
        Dabney et al. 2018, arXiv 1710.10044, eq. 10 and algorithm 1; divided by delta, so that it nears quantile regression as delta nears 0.
    """
    count = quantiles_tm1.shape[-1]
    share = (tf.range(count, dtype=quantiles_tm1.dtype) + 0.5) / count
    error = target[:, None] - quantiles_tm1[:, :, None]
    weight = tf.abs(share[:, None] - tf.cast(error < 0, error.dtype))
    return tf.reduce_sum(tf.reduce_mean(weight * huber(error, delta), axis=-1), axis=-1) / delta
