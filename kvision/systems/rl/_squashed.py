"""Continuous actions between bounds: from -1..1 to the bounds and back, and normal distributions that tanh squashes into -1..1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from kvision.data.environments.spaces import Spaces

LOWEST_LOG_STD, HIGHEST_LOG_STD = -20.0, 2.0
"""Between which the logarithm of the deviation is kept, as in the authors' code."""


def spread(action: tf.Tensor, spaces: Spaces) -> tf.Tensor:
    """From -1..1 to the environment's bounds, `[..., D]`."""
    low, high = tf.constant(spaces.low), tf.constant(spaces.high)
    return low + 0.5 * (action + 1.0) * (high - low)


def folded(action: tf.Tensor, spaces: Spaces) -> tf.Tensor:
    """From the environment's bounds to -1..1, `[..., D]`."""
    low, high = tf.constant(spaces.low), tf.constant(spaces.high)
    return 2.0 * (action - low) / (high - low) - 1.0


def sample(mean: tf.Tensor, log_std: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws actions and tells how likely they are.

    Args:
        mean: Before squashing, `[B, D]`.
        log_std: Logarithm of the deviation, `[B, D]`.
        noise: Normal numbers `[B, D]`.

    Returns:
        Actions in -1..1 `[B, D]`, and their log-densities `[B]`, nats.

    References:
        Haarnoja et al. 2018, arXiv 1801.01290, eq. 21, with log(1 - tanh(u)^2) as 2 (log 2 - u - softplus(-2 u)), which stays finite.
    """
    log_std = tf.clip_by_value(log_std, LOWEST_LOG_STD, HIGHEST_LOG_STD)
    u = mean + tf.exp(log_std) * noise
    log_normal = -0.5 * tf.square(noise) - log_std - 0.5 * math.log(2.0 * math.pi)
    log_slope = 2.0 * (math.log(2.0) - u - tf.nn.softplus(-2.0 * u))
    return tf.tanh(u), tf.reduce_sum(log_normal - log_slope, axis=-1)
