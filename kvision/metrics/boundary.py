"""Boundary F: how well the outlines of the classes agree, within a tolerance of a few pixels.

Paper: Csurka 2013, "What is a good evaluation measure for semantic segmentation?", BMVC.
Deviations: the counts are summed over the data set before precision and recall are formed, where the paper averages the F of images; distance
is the chessboard's; pixels marked 255 in the truth are neither boundary nor counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from kvision.core.labels import IGNORE_LABEL
from kvision.ops import masks

if TYPE_CHECKING:
    from collections.abc import Mapping


def count(mask: tf.Tensor, predicted: tf.Tensor, num_classes: int, tolerance_px: int) -> dict[str, tf.Tensor]:
    """Boundary pixels of each class and example, and how many lie within the tolerance of the other side's boundary of that class.

    A boundary pixel belongs to the class and touches (8 neighbours) a pixel that does not; the edge of the image is no boundary.

    Args:
        mask: True class numbers `[B, H, W]`, 255 ignored.
        predicted: Predicted class numbers `[B, H, W]`.
        num_classes: K.
        tolerance_px: Largest chessboard distance that still agrees.

    Returns:
        `boundary_true`, `boundary_found` (true ones near a predicted one), `boundary_predicted`, `boundary_right` (predicted ones near a true
        one), each int64 `[B, K]`.
    """
    valid = tf.cast(mask != IGNORE_LABEL, tf.float32)[..., None]
    true = masks.border(masks.one_hot(mask, num_classes), valid)
    guess = masks.border(masks.one_hot(predicted, num_classes) * valid, valid)
    sets = {
        "boundary_true": true,
        "boundary_found": true * masks.grow(guess, tolerance_px),
        "boundary_predicted": guess,
        "boundary_right": guess * masks.grow(true, tolerance_px),
    }
    # At most H W < 2**24 pixels an example, which float32 counts exactly.
    return {name: tf.cast(tf.reduce_sum(pixels, axis=[1, 2]), tf.int64) for name, pixels in sets.items()}


def f1(sums: Mapping[str, np.ndarray]) -> np.ndarray:
    """F of each class `[K]` from summed counts: the harmonic mean of precision and recall; NaN for classes without any boundary."""
    true, found, guess, right = (
        np.asarray(sums[name], np.float64) for name in ("boundary_true", "boundary_found", "boundary_predicted", "boundary_right")
    )
    precision, recall = right / np.maximum(guess, 1), found / np.maximum(true, 1)
    total = precision + recall
    values = np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
    return np.where(true + guess > 0, values, np.nan)
