"""Calibration: whether a network that is 80% sure is right 80% of the time, from sums in bins of its confidence.

Paper: Guo 2017, "On calibration of modern neural networks", arXiv 1706.04599.
Scores learnt with a hinge loss are no log-probabilities; what is said of them holds for their softmax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Mapping

NUM_BINS = 15
"""Bins of equal width, as in the paper; a confidence on an edge belongs to the bin below it."""


def count(logits: tf.Tensor, label: tf.Tensor, weight: tf.Tensor) -> dict[str, tf.Tensor]:
    """Examples by the probability of their most probable class.

    Args:
        logits: `[B, K]`.
        label: True class numbers int32 `[B]`.
        weight: `[B]`; examples of weight 0 are not counted.

    Returns:
        `calibration` float64 `[3, NUM_BINS]`: examples, sum of their confidence, and how many of them are right.
    """
    confidence = tf.cast(tf.reduce_max(tf.nn.softmax(tf.cast(logits, tf.float32)), axis=-1), tf.float64)
    right = tf.argmax(logits, axis=-1, output_type=tf.int32) == label
    inner = tf.linspace(tf.constant(0.0, tf.float64), 1.0, NUM_BINS + 1)[1:-1]
    place = tf.where(weight > 0, tf.searchsorted(inner, confidence, side="left"), -1)
    values = tf.stack([tf.ones_like(confidence), confidence, tf.cast(right, tf.float64)])
    return {"calibration": tf.matmul(values, tf.one_hot(place, NUM_BINS, dtype=tf.float64))}


def reliability(sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a reliability diagram shows: `count`, mean `confidence` and `accuracy` of each bin `[NUM_BINS]`; NaN where a bin is empty."""
    number, confidence, right = np.asarray(sums["calibration"], np.float64)
    filled = np.where(number > 0, number, np.nan)
    return {"count": number.astype(np.int64), "confidence": confidence / filled, "accuracy": right / filled}


def ece(sums: Mapping[str, np.ndarray]) -> float:
    """Expected calibration error: mean distance of confidence and accuracy, each bin weighted by its examples (equation 3).

    Args:
        sums: Sums of what `count` gives.

    Returns:
        0..1; NaN without examples.
    """
    number, confidence, right = np.asarray(sums["calibration"], np.float64)
    return float(np.abs(right - confidence).sum() / (number.sum() or np.nan))
