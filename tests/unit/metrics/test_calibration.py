"""Calibration error against numbers worked by hand and scikit-learn's calibration curve."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn.calibration import calibration_curve

from kvision.metrics import calibration


def sums(probabilities: np.ndarray, label: np.ndarray, weight: np.ndarray | None = None) -> dict[str, np.ndarray]:
    weight = np.ones(len(label), np.float32) if weight is None else weight
    logits = tf.constant(np.log(probabilities), tf.float32)
    return {name: value.numpy() for name, value in calibration.count(logits, tf.constant(label, tf.int32), tf.constant(weight)).items()}


def test_by_hand() -> None:
    # Three examples 90% sure, of which two are right; one 60% sure and right; one of weight 0.
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.6, 0.4], [0.7, 0.3]])
    total = sums(probabilities, np.array([0, 1, 1, 0, 0]), np.array([1, 1, 1, 1, 0], np.float32))
    found = calibration.reliability(total)
    assert (found["count"][13], found["count"][8], found["count"].sum()) == (3, 1, 4)
    assert (found["confidence"][13], found["accuracy"][13]) == pytest.approx((0.9, 2 / 3))
    assert np.isnan(found["accuracy"][0])
    assert calibration.ece(total) == pytest.approx((3 * (0.9 - 2 / 3) + 1 * 0.4) / 4)


@pytest.mark.parametrize("num_classes", [2, 10])
@pytest.mark.parametrize("scale", [0.5, 4.0])
def test_equals_scikit_learn(num_classes: int, scale: float) -> None:
    generator = np.random.default_rng(0)
    logits, label = generator.normal(size=(500, num_classes)) * scale, generator.integers(0, num_classes, 500)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == label
    accuracy, mean = calibration_curve(right, confidence, n_bins=calibration.NUM_BINS, strategy="uniform")
    first, second = sums(probabilities[:300], label[:300]), sums(probabilities[300:], label[300:])
    total = {"calibration": first["calibration"] + second["calibration"]}
    found = calibration.reliability(total)
    filled = found["count"] > 0
    np.testing.assert_allclose(found["accuracy"][filled], accuracy, atol=1e-6)
    np.testing.assert_allclose(found["confidence"][filled], mean, atol=1e-6)
    assert calibration.ece(total) == pytest.approx(np.sum(found["count"][filled] / 500 * np.abs(accuracy - mean)), abs=1e-6)


def test_certainty_falls_into_the_last_bin() -> None:
    counts = calibration.count(tf.constant([[200.0, 0.0], [0.0, 0.0]]), tf.constant([0, 0]), tf.ones(2))["calibration"].numpy()[0]
    assert np.flatnonzero(counts).tolist() == [7, 14]


def test_without_examples_there_is_no_error_rather_than_none() -> None:
    assert np.isnan(calibration.ece({"calibration": np.zeros((3, calibration.NUM_BINS))}))
