"""Metrics of examples with one label each, from counts that can be summed over batches, replicas and hosts.

`count` runs in the graph, the other formulas are numpy float64 on the sums. Values of classes that occur neither in the truth nor in the
prediction are NaN, and macro means leave them out, as scikit-learn does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.metrics import confusion

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_PLACES = 10
"""Places of the ranking of classes that are counted."""


def count(logits: tf.Tensor, label: tf.Tensor, weight: tf.Tensor) -> dict[str, tf.Tensor]:
    """Confusion matrix, and the place that the true class took among the classes ranked by their logits.

    Of equal logits the lower class number goes first, so that a network that says the same of all classes earns nothing by it.

    Args:
        logits: `[B, K]`, K at least 2.
        label: True class numbers int32 `[B]`.
        weight: `[B]`; examples of weight 0 are not counted.

    Returns:
        `confusion` int64 `[K, K]`, rows the truth, columns the prediction; `places` int64 `[R]`, examples whose true class is at place 1 .. R of
        the ranking, R = min(K - 1, `MOST_PLACES`).
    """
    num_classes = logits.shape[-1]
    cells = num_classes**2
    ranking = tf.math.top_k(logits, k=min(num_classes - 1, MOST_PLACES)).indices
    cell = tf.where(weight > 0, label * num_classes + ranking[:, 0], cells)
    # Without weights `bincount` counts in integers, exactly and in any order.
    counts = tf.math.bincount(cell, minlength=cells + 1, maxlength=cells + 1, dtype=tf.int32)[:-1]
    places = (ranking == label[:, None]) & (weight > 0)[:, None]
    return {
        "confusion": tf.cast(tf.reshape(counts, [num_classes, num_classes]), tf.int64),
        "places": tf.reduce_sum(tf.cast(places, tf.int64), axis=0),
    }


def scores(logits: tf.Tensor, label: tf.Tensor) -> dict[str, tf.Tensor]:
    """What the network says of each example, for the report to choose those worth a look.

    Args:
        logits: `[B, K]`, K at least 2.
        label: True class numbers int32 `[B]`.

    Returns:
        float32 `[B]` each: `worst`, the probability of the true class less that of the most probable other one, -1 (surely wrong) .. 1 (surely
        right); `least_sure`, by how much the most probable class leads; `confidence`, its probability; `given`, that of the true class; and int32
        `[B]`: `label`, `predicted`.
    """
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    first, second = tf.unstack(tf.math.top_k(probabilities, k=2).values, axis=-1)
    given = tf.gather(probabilities, label, batch_dims=1)
    predicted = tf.argmax(logits, axis=-1, output_type=tf.int32)
    return {
        "worst": given - tf.where(predicted == label, second, first),
        "least_sure": first - second,
        "confidence": first,
        "given": given,
        "label": label,
        "predicted": predicted,
    }


def top_k(sums: Mapping[str, np.ndarray]) -> np.ndarray:
    """Share of the examples whose true class is among the first k, for k = 1 .. R `[R]`; NaN without examples."""
    total = float(np.sum(sums["confusion"]))
    return np.cumsum(sums["places"]) / (total or np.nan)


def metrics(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
    """What is said of a whole data set.

    Args:
        sums: Sums of what `count` gives.

    Returns:
        `top1` and, if there are more than 5 classes, `top5`: shares of the examples; `balanced_accuracy`: mean recall of the classes in the
        truth; `f1_macro`: mean F1 of the classes that occur.
    """
    matrix, shares = sums["confusion"], top_k(sums)
    found = {"top1": float(shares[0])}
    if len(matrix) > 5:
        found["top5"] = float(shares[4])
    return {**found, "balanced_accuracy": confusion.macro(confusion.recall(matrix)), "f1_macro": confusion.macro(confusion.dice(matrix))}


def per_class(sums: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """`f1`, `precision`, `recall` and `support`, the examples of a class in the truth, each `[K]`."""
    matrix = np.asarray(sums["confusion"])
    return {
        "f1": confusion.dice(matrix),
        "precision": confusion.precision(matrix),
        "recall": confusion.recall(matrix),
        "support": matrix.sum(axis=1),
    }
