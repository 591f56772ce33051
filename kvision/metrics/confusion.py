"""Metrics of semantic segmentation from one confusion matrix, which can be summed over batches, replicas and hosts.

`count` and `example_miou` run in the graph; the other formulas are numpy float64 on `[K, K]`, rows the truth, columns the prediction. A class
*occurs* when it is in the truth or in the prediction; values of classes that don't are NaN, and macro means leave them out, as scikit-learn does.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kvision.core.labels import IGNORE_LABEL


def count(mask: tf.Tensor, predicted: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Confusion matrix of each example: pixels by true class (rows) and predicted class (columns).

    Args:
        mask: True class numbers `[B, H, W]`, any integer dtype; 255 is not counted.
        predicted: Predicted class numbers `[B, H, W]`, any integer dtype.
        num_classes: K.

    Returns:
        int64 `[B, K, K]`.
    """
    cells, batch = num_classes**2, tf.shape(mask)[0]
    mask = tf.cast(mask, tf.int32)
    cell = mask * num_classes + tf.cast(predicted, tf.int32) + cells * tf.range(batch)[:, None, None]
    nowhere = batch * cells
    cell = tf.where(mask == IGNORE_LABEL, nowhere, cell)
    # Without weights `bincount` counts in integers, exactly and in any order.
    counts = tf.math.bincount(tf.reshape(cell, [-1]), minlength=nowhere + 1, maxlength=nowhere + 1, dtype=tf.int32)
    return tf.cast(tf.reshape(counts[:-1], [batch, num_classes, num_classes]), tf.int64)


def example_miou(matrices: tf.Tensor) -> tf.Tensor:
    """Mean IoU of each example over the classes that occur in its truth or prediction.

    Args:
        matrices: `[B, K, K]`, as `count` gives them.

    Returns:
        float32 `[B]`; 0 for an example of which no pixel counts.
    """
    matrices = tf.cast(matrices, tf.float32)
    hits = tf.linalg.diag_part(matrices)
    union = tf.reduce_sum(matrices, 1) + tf.reduce_sum(matrices, 2) - hits
    occurring = tf.reduce_sum(tf.cast(union > 0, tf.float32), axis=-1)
    return tf.math.divide_no_nan(tf.reduce_sum(tf.math.divide_no_nan(hits, union), axis=-1), occurring)


def iou(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union of each class `[K]`, TP / (TP + FP + FN)."""
    hits, true, predicted = _marginals(matrix)
    return divide(hits, true + predicted - hits)


def dice(matrix: np.ndarray) -> np.ndarray:
    """Dice coefficient (F1) of each class `[K]`, 2 TP / (2 TP + FP + FN)."""
    hits, true, predicted = _marginals(matrix)
    return divide(2 * hits, true + predicted)


def precision(matrix: np.ndarray) -> np.ndarray:
    """Share of each class's predicted pixels that are right `[K]`; NaN for classes never predicted."""
    hits, _, predicted = _marginals(matrix)
    return divide(hits, predicted)


def recall(matrix: np.ndarray) -> np.ndarray:
    """Share of each class's true pixels that are found `[K]`; NaN for classes not in the truth."""
    hits, true, _ = _marginals(matrix)
    return divide(hits, true)


def macro(values: np.ndarray) -> float:
    """Plain mean over the classes that have a value; NaN when none has."""
    return float(np.nanmean(values)) if np.any(np.isfinite(values)) else float("nan")


def pixel_accuracy(matrix: np.ndarray) -> float:
    """Share of all counted pixels that are right; NaN when none is counted."""
    hits, true, _ = _marginals(matrix)
    return float(divide(hits.sum(), true.sum()))


def frequency_weighted_iou(matrix: np.ndarray) -> float:
    """IoU of each class weighted by its share of the true pixels (Long 2015, section 5)."""
    _, true, _ = _marginals(matrix)
    return float(divide(np.nansum(true * iou(matrix)), true.sum()))


def divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, NaN where the denominator is 0."""
    return numerator / np.where(denominator > 0, denominator, np.nan)


def _marginals(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    matrix = np.asarray(matrix, np.float64)
    return np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
