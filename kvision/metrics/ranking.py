"""Metrics of examples with any number of labels each, from histograms of the logits that can be summed over batches, replicas and hosts.

`count` runs in the graph, the other formulas are numpy float64 on the sums. Logits are counted in bins 1/256 wide, and examples in one bin tie.
So everything is exact where no two different logits share a bin, F1 always. For other logits, with P_b positives and N_b negatives of a
class's P and N in bin b, and T_b + F_b examples in bin b and those above it, at most

- half of sum_b P_b N_b / (P N) is wrong in the area under the ROC curve, a half for each pair that should not tie;
- sum_b P_b max(N_b, P_b - 1) / (P (T_b + F_b)) is wrong in the average precision, the most that the precision changes inside a bin; logits that
  spread by 1 or more lose about 0.0003 of it.

Values of classes that have none (average precision without positives, the area without positives or negatives) are NaN, and macro means leave
them out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.metrics import confusion

if TYPE_CHECKING:
    from collections.abc import Mapping

BINS_PER_UNIT, REACH = 256, 16
NUM_BINS = 2 * REACH * BINS_PER_UNIT
"""Bins of the logits -16..16, probabilities 1e-7..1 - 1e-7, each without its lower edge; what lies outside is in the outermost bins."""
POINTS = 100
"""Points of a curve beside its origin."""


def count(logits: tf.Tensor, targets: tf.Tensor, weight: tf.Tensor) -> dict[str, tf.Tensor]:
    """Histograms of the logits of each class, without and with it in the truth.

    Args:
        logits: `[B, K]`.
        targets: `[B, K]`, above 0.5 where the example has the class.
        weight: `[B]`; examples of weight 0 are not counted.

    Returns:
        `logits` int64 `[K, 2, NUM_BINS]`.
    """
    num_classes = logits.shape[-1]
    place = tf.math.ceil(tf.cast(logits, tf.float32) * BINS_PER_UNIT) - 1 + NUM_BINS // 2
    place = tf.where(tf.math.is_nan(place), 0.0, tf.clip_by_value(place, 0, NUM_BINS - 1))
    row = 2 * tf.range(num_classes) + tf.cast(targets > 0.5, tf.int32)
    cell = row * NUM_BINS + tf.cast(place, tf.int32)
    counted = tf.broadcast_to(tf.cast(weight > 0, tf.int64)[:, None], tf.shape(cell))
    counts = tf.math.unsorted_segment_sum(tf.reshape(counted, [-1]), tf.reshape(cell, [-1]), num_classes * 2 * NUM_BINS)
    return {"logits": tf.reshape(counts, [num_classes, 2, NUM_BINS])}


def scores(logits: tf.Tensor, targets: tf.Tensor) -> dict[str, tf.Tensor]:
    """How each example fares, for the report to choose those worth a look.

    Args:
        logits: `[B, K]`.
        targets: `[B, K]`, 0 or 1.

    Returns:
        float32 `[B]` each: `worst`, the mean over the classes of the log-probability of the right answer, at most 0; `least_sure`, how far the
        most doubtful class is from one in two, 0..1.
    """
    logits = tf.cast(logits, tf.float32)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.cast(targets, tf.float32), logits=logits)
    return {"worst": -tf.reduce_mean(losses, axis=-1), "least_sure": tf.reduce_min(tf.abs(2 * tf.sigmoid(logits) - 1), axis=-1)}


def metrics(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
    """What is said of a whole data set.

    Args:
        sums: Sums of what `count` gives.

    Returns:
        `map`, `roc_auc_macro`, `f1_macro`: means over the classes of what `per_class` gives; `f1_micro`: F1 of all answers together.
    """
    found = per_class(sums)
    hits, said, true = _answers(sums)
    return {
        "map": confusion.macro(found["average_precision"]),
        "roc_auc_macro": confusion.macro(found["roc_auc"]),
        "f1_macro": confusion.macro(found["f1"]),
        "f1_micro": float(confusion.divide(2 * hits.sum(), said.sum() + true.sum())),
    }


def per_class(sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Values of each class.

    Args:
        sums: Sums of what `count` gives.

    Returns:
        `[K]` each: `average_precision`, the precision at each positive, ranked by probability, in the mean; `roc_auc`, the probability that a
        positive stands above a negative; `f1`, `precision` and `recall` of the answer that is yes above a probability of one half; `support`,
        the positives.
    """
    right, wrong = _above(sums)
    positives, negatives = np.diff(right, axis=-1), np.diff(wrong, axis=-1)
    precision = confusion.divide(right[:, 1:], right[:, 1:] + wrong[:, 1:])
    area = np.sum(negatives * (right[:, 1:] + right[:, :-1]) / 2, axis=-1)
    hits, said, true = _answers(sums)
    return {
        "average_precision": confusion.divide(np.nansum(positives * precision, axis=-1), true),
        "roc_auc": confusion.divide(area, true * wrong[:, -1]),
        "f1": confusion.divide(2 * hits, said + true),
        "precision": confusion.divide(hits, said),
        "recall": confusion.divide(hits, true),
        "support": true.astype(np.int64),
    }


def curves(sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The ROC curve (false positive rate, recall) and the PR curve (recall, precision) of each class, at the same thresholds.

    Args:
        sums: Sums of what `count` gives.

    Returns:
        `false_positive_rate`, `recall` and `precision`, each `[K, 1 + POINTS]`, from the highest threshold, where the precision counts as 1, to
        the lowest, in steps that are even along both rates; NaN for classes without positives or without negatives.
    """
    right, wrong = _above(sums)
    recall, rate = confusion.divide(right, right[:, -1:]), confusion.divide(wrong, wrong[:, -1:])
    precision = np.where(right + wrong > 0, confusion.divide(right, right + wrong), 1.0)
    steps = np.linspace(0, 2, 1 + POINTS)
    chosen = np.stack([np.minimum(np.searchsorted(each, steps), NUM_BINS) for each in recall + rate])
    found = {"false_positive_rate": rate, "recall": recall, "precision": precision}
    known = np.isfinite(recall + rate)[:, :1]
    return {name: np.where(known, np.take_along_axis(values, chosen, axis=-1), np.nan) for name, values in found.items()}


def _above(sums: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives of each class whose logit lies in the uppermost 0, 1 .. NUM_BINS bins, `[K, 1 + NUM_BINS]` each."""
    counts = np.asarray(sums["logits"], np.float64)[..., ::-1].cumsum(axis=-1)
    wrong, right = np.moveaxis(np.pad(counts, ((0, 0), (0, 0), (1, 0))), 1, 0)
    return right, wrong


def _answers(sums: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True positives, examples called positive, and positives of each class `[K]`, for logits above 0."""
    counts = np.asarray(sums["logits"], np.float64)
    above = counts[..., NUM_BINS // 2 :].sum(axis=-1)
    return above[:, 1], above.sum(axis=-1), counts[:, 1].sum(axis=-1)
