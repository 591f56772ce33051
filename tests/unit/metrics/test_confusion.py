"""Confusion-matrix metrics equal scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as reference

from kvision.metrics import confusion

K = 6


def case(seed: int, ignore: bool, absent: bool) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth, guess = generator.integers(0, K, (2, 4, 9, 7)).astype(np.uint8)
    guess = np.where(generator.random(truth.shape) < 0.6, truth, guess)
    if absent:  # class 2 in neither, class 3 only in the truth, class 4 only in the prediction
        truth[np.isin(truth, (2, 4))] = 0
        guess[np.isin(guess, (2, 3))] = 1
    if ignore:
        truth[generator.random(truth.shape) < 0.3] = 255
    return truth, guess


@pytest.mark.parametrize("ignore", [False, True])
@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_all_equal_scikit_learn(seed: int, ignore: bool, absent: bool) -> None:
    truth, guess = case(seed, ignore, absent)
    matrix = tf.reduce_sum(confusion.count(tf.constant(truth), tf.constant(guess), K), axis=0).numpy()
    y, p = truth[truth != 255], guess[truth != 255]
    assert matrix.dtype == np.int64
    np.testing.assert_array_equal(matrix, reference.confusion_matrix(y, p, labels=range(K)))
    occurring = np.union1d(y, p)
    jaccard = reference.jaccard_score(y, p, labels=occurring, average=None)
    np.testing.assert_allclose(confusion.iou(matrix)[occurring], jaccard, atol=1e-6)
    np.testing.assert_allclose(confusion.dice(matrix)[occurring], reference.f1_score(y, p, labels=occurring, average=None), atol=1e-6)
    assert np.isnan(np.delete(confusion.iou(matrix), occurring)).all()
    assert confusion.macro(confusion.iou(matrix)) == pytest.approx(reference.jaccard_score(y, p, average="macro"), abs=1e-6)
    assert confusion.macro(confusion.dice(matrix)) == pytest.approx(reference.f1_score(y, p, average="macro"), abs=1e-6)
    assert confusion.pixel_accuracy(matrix) == pytest.approx(reference.accuracy_score(y, p), abs=1e-6)
    assert confusion.frequency_weighted_iou(matrix) == pytest.approx(reference.jaccard_score(y, p, average="weighted"), abs=1e-6)
    present = np.unique(y)
    np.testing.assert_allclose(confusion.recall(matrix)[present], reference.recall_score(y, p, labels=present, average=None), atol=1e-6)
    assert confusion.macro(confusion.recall(matrix)) == pytest.approx(reference.recall_score(y, p, labels=present, average="macro"), abs=1e-6)
    named = np.unique(p)
    np.testing.assert_allclose(confusion.precision(matrix)[named], reference.precision_score(y, p, labels=named, average=None), atol=1e-6)


def test_each_example_has_its_own_matrix() -> None:
    truth, guess = case(3, ignore=True, absent=False)
    together = confusion.count(tf.constant(truth), tf.constant(guess), K).numpy()
    for example in range(4):
        alone = confusion.count(tf.constant(truth[example : example + 1]), tf.constant(guess[example : example + 1]), K)
        np.testing.assert_array_equal(together[example], alone[0])


def test_counts_beyond_float32_are_exact() -> None:
    mask = tf.zeros((1, 4100, 4100), tf.uint8)
    assert int(confusion.count(mask, mask, 2)[0, 0, 0]) == 4100 * 4100 > 2**24


def test_an_empty_matrix_has_no_metrics_rather_than_zeros() -> None:
    matrix = np.zeros((3, 3), np.int64)
    assert np.isnan([confusion.pixel_accuracy(matrix), confusion.frequency_weighted_iou(matrix), confusion.macro(confusion.iou(matrix))]).all()
