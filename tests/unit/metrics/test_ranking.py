"""Metrics of multi-label classification equal scikit-learn's on logits of the grid, and keep to their bound on any others."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as reference

from kvision.metrics import ranking

K = 6


def case(seed: int, kind: str, number: int = 300) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    targets = (generator.random((number, K)) < np.linspace(0.05, 0.7, K)).astype(np.float32)
    targets[:2] = [[0] * K, [1] * K]
    logits = generator.normal(size=(number, K)) * 2 + 2 * targets - 1
    if kind == "ties":
        logits = np.round(logits)
    if kind == "absent":  # class 1 in no example, class 2 in all of them, class 3 never said
        targets[:, 1], targets[:, 2], logits[:, 3] = 0, 1, -5
    if kind == "same":
        logits[:] = 0.25
    return (np.round(logits * ranking.BINS_PER_UNIT) / ranking.BINS_PER_UNIT).astype(np.float32), targets


def sums(logits: np.ndarray, targets: np.ndarray, batch: int = 128) -> dict[str, np.ndarray]:
    """Summed over batches, the last filled up with examples of weight 0."""
    total = np.zeros((K, 2, ranking.NUM_BINS), np.int64)
    for start in range(0, len(logits), batch):
        place = np.minimum(np.arange(start, start + batch), len(logits) - 1)
        weight = tf.constant(np.arange(start, start + batch) < len(logits), tf.float32)
        total += ranking.count(tf.constant(logits[place]), tf.constant(targets[place]), weight)["logits"].numpy()
    assert total.sum() == logits.size
    return {"logits": total}


@pytest.mark.parametrize("kind", ["plain", "ties", "absent", "same"])
@pytest.mark.parametrize("seed", [0, 1])
def test_all_equal_scikit_learn(seed: int, kind: str) -> None:
    logits, targets = case(seed, kind)
    total, said = sums(logits, targets), logits > 0
    found, whole = ranking.per_class(total), ranking.metrics(total)
    usual = [k for k in range(K) if 0 < targets[:, k].sum() < len(targets)]
    areas = [reference.roc_auc_score(targets[:, k], logits[:, k]) for k in usual]
    np.testing.assert_allclose(found["roc_auc"][usual], areas, atol=1e-6)
    assert whole["roc_auc_macro"] == pytest.approx(np.mean(areas), abs=1e-6)
    present = [k for k in range(K) if targets[:, k].any()]
    precisions = reference.average_precision_score(targets[:, present], logits[:, present], average=None)
    np.testing.assert_allclose(found["average_precision"][present], precisions, atol=1e-6)
    assert whole["map"] == pytest.approx(reference.average_precision_score(targets[:, present], logits[:, present]), abs=1e-6)
    by_class = reference.precision_recall_fscore_support(targets, said, zero_division=np.nan)
    for name, expected in zip(("precision", "recall", "f1", "support"), by_class, strict=True):
        np.testing.assert_allclose(found[name], expected, atol=1e-6)
    for average in ("macro", "micro"):
        expected = reference.f1_score(targets, said, average=average, zero_division=np.nan)
        assert whole[f"f1_{average}"] == pytest.approx(expected, abs=1e-6)
    if kind == "absent":
        assert np.isnan([found["average_precision"][1], *found["roc_auc"][[1, 2]], found["precision"][3], found["recall"][1]]).all()


def bounds(total: dict[str, np.ndarray], k: int) -> tuple[float, float]:
    """How far area and average precision of class k can be off, by the formulas of the module, bin by bin."""
    area = precision = reached = 0.0
    negatives, positives = total["logits"][k]
    for n, p in zip(negatives[::-1].tolist(), positives[::-1].tolist(), strict=True):
        reached += n + p
        area += p * n / 2
        precision += p * max(n, p - 1) / reached if p else 0
    return area / (positives.sum() * negatives.sum()), precision / positives.sum()


@pytest.mark.parametrize("spread", [0.02, 0.1, 1.0, 30.0])
def test_any_logits_keep_to_the_bound(spread: float) -> None:
    logits, targets = case(2, "plain", 2000)
    logits = (spread * np.random.default_rng(3).normal(size=logits.shape) + spread * targets).astype(np.float32)
    total = sums(logits, targets)
    found = ranking.per_class(total)
    for k in range(K):
        area, precision = bounds(total, k)
        assert abs(found["roc_auc"][k] - reference.roc_auc_score(targets[:, k], logits[:, k])) <= area + 1e-9
        assert abs(found["average_precision"][k] - reference.average_precision_score(targets[:, k], logits[:, k])) <= precision + 1e-9
        if spread == 1.0:
            assert area < 0.001
            assert precision < 0.006
            assert abs(found["average_precision"][k] - reference.average_precision_score(targets[:, k], logits[:, k])) < 0.0004
    np.testing.assert_allclose(found["f1"], reference.f1_score(targets, logits > 0, average=None), atol=1e-6)


def test_the_bound_of_the_average_precision_is_reached() -> None:
    # One bin: two negatives above one positive, of precision 1/3; or below it, of precision 1. Tied, it counts as 1/3, and 2/3 are missing.
    total = {"logits": np.zeros((1, 2, ranking.NUM_BINS), np.int64)}
    total["logits"][0, :, 7] = 2, 1
    assert ranking.per_class(total)["average_precision"] == pytest.approx([1 / 3])
    assert bounds(total, 0) == pytest.approx((0.5, 2 / 3))


def test_curves_lie_on_scikit_learns() -> None:
    logits, targets = case(4, "plain")
    found = ranking.curves(sums(logits, targets))
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(("false_positive_rate", "recall", "precision"), (K, 101))
    for k in range(K):
        rate, recall, _ = reference.roc_curve(targets[:, k], logits[:, k], drop_intermediate=False)
        on_curve = set(zip(rate.round(6).tolist(), recall.round(6).tolist(), strict=True))
        mine = zip(found["false_positive_rate"][k].round(6).tolist(), found["recall"][k].round(6).tolist(), strict=True)
        assert set(mine) <= on_curve
        assert np.trapezoid(found["recall"][k], found["false_positive_rate"][k]) == pytest.approx(np.trapezoid(recall, rate), abs=0.01)
        precision, recall, _ = reference.precision_recall_curve(targets[:, k], logits[:, k])
        on_curve = set(zip(precision.round(6).tolist(), recall.round(6).tolist(), strict=True))
        mine = zip(found["precision"][k].round(6).tolist(), found["recall"][k].round(6).tolist(), strict=True)
        assert set(mine) <= on_curve
        assert (found["recall"][k, 0], found["precision"][k, 0], found["recall"][k, -1]) == (0, 1, 1)


def test_a_class_without_positives_has_no_curve() -> None:
    logits, targets = case(0, "absent")
    found = ranking.curves(sums(logits, targets))
    assert [[np.isnan(values[k]).all() for values in found.values()] for k in (0, 1, 2)] == [[False] * 3, [True] * 3, [True] * 3]


def test_extreme_logits_are_counted_at_the_ends() -> None:
    logits = tf.constant([[-np.inf, -1e30, np.nan], [np.inf, 1e30, 0.0]])
    counts = ranking.count(logits, tf.ones((2, 3)), tf.ones(2))["logits"].numpy()[:, 1]
    last = ranking.NUM_BINS - 1
    assert [np.flatnonzero(row).tolist() for row in counts] == [[0, last], [0, last], [0, last // 2]]


def test_scores_by_hand() -> None:
    logits = tf.math.log([[4.0, 1.0], [1 / 9, 9.0]])  # probabilities 0.8, 0.5; 0.1, 0.9
    found = ranking.scores(logits, tf.constant([[1.0, 0.0], [1.0, 1.0]]))
    assert found["worst"].numpy() == pytest.approx([np.log(0.8 * 0.5) / 2, np.log(0.1 * 0.9) / 2])
    assert found["least_sure"].numpy() == pytest.approx([0.0, 0.8], abs=1e-6)
