"""Boundary F against a slow reference that looks at every pixel."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from kvision.metrics import boundary

K = 3


def slow_boundary(classes: np.ndarray, label: int, valid: np.ndarray) -> list[tuple[int, int]]:
    height, width = classes.shape
    found = []
    for y in range(height):
        for x in range(width):
            window = (slice(max(0, y - 1), y + 2), slice(max(0, x - 1), x + 2))
            if valid[y, x] and classes[y, x] == label and (valid[window] & (classes[window] != label)).any():
                found.append((y, x))
    return found


def slow_near(points: list[tuple[int, int]], others: list[tuple[int, int]], tolerance_px: int) -> int:
    return sum(any(max(abs(y - v), abs(x - u)) <= tolerance_px for v, u in others) for y, x in points)


def blobs(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(generator.normal(size=(2, K, 24, 20)), (0, 0, 3, 3))
    fields[1] = 0.7 * fields[0] + 0.3 * fields[1]
    truth, guess = np.argmax(fields, axis=1).astype(np.uint8)
    truth[3:6, 4:9] = 255
    return truth, guess


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("tolerance_px", [1, 2])
def test_counts_equal_the_slow_reference(seed: int, tolerance_px: int) -> None:
    truth, guess = blobs(seed)
    counts = boundary.count(tf.constant(truth)[None], tf.constant(guess)[None], K, tolerance_px)
    valid = truth != 255
    for label in range(K):
        true, predicted = slow_boundary(truth, label, valid), slow_boundary(guess, label, valid)
        expected = [len(true), slow_near(true, predicted, tolerance_px), len(predicted), slow_near(predicted, true, tolerance_px)]
        names = ("boundary_true", "boundary_found", "boundary_predicted", "boundary_right")
        assert [int(counts[name][0, label]) for name in names] == expected
        assert len(true) > 5


def test_f_by_hand() -> None:
    sums = {"boundary_true": [10, 0, 0, 4], "boundary_found": [5, 0, 0, 0], "boundary_predicted": [4, 0, 3, 0], "boundary_right": [4, 0, 0, 0]}
    values = boundary.f1({name: np.array(value) for name, value in sums.items()})
    np.testing.assert_allclose(values, [2 * 1.0 * 0.5 / 1.5, np.nan, 0.0, 0.0])


def test_a_perfect_prediction_scores_one_and_a_distant_one_zero() -> None:
    truth = np.zeros((1, 32, 32), np.uint8)
    truth[0, 4:10, 4:10] = 1
    for guess, expected in ((truth, 1.0), (np.roll(truth, 15, axis=2), 0.0)):
        counts = boundary.count(tf.constant(truth), tf.constant(guess), 2, 1)
        values = boundary.f1({name: value.numpy().sum(axis=0) for name, value in counts.items()})
        assert values.tolist() == [expected, expected]
