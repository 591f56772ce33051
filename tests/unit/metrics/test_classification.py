"""Metrics of single-label classification equal scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as reference

from kvision.metrics import classification

K = 7


def case(seed: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    logits, label = generator.normal(size=(200, K)).astype(np.float32), generator.integers(0, K, 200).astype(np.int32)
    logits[np.arange(200), label] += 1
    if kind == "absent":  # class 2 in neither, class 3 only in the truth, class 4 only in the prediction
        label[np.isin(label, (2, 4))] = 0
        logits[:, (2, 3)] -= 100
    if kind == "one class":
        label[:] = 1
    if kind == "ties":
        logits = np.round(logits)
    return logits, label


def sums(logits: np.ndarray, label: np.ndarray, batch: int = 64) -> dict[str, np.ndarray]:
    """Summed over batches, the last filled up with examples of weight 0."""
    total: dict[str, np.ndarray] = {}
    for start in range(0, len(label), batch):
        place = np.minimum(np.arange(start, start + batch), len(label) - 1)
        weight = (np.arange(start, start + batch) < len(label)).astype(np.float32)
        for name, value in classification.count(tf.constant(logits[place]), tf.constant(label[place]), tf.constant(weight)).items():
            total[name] = total.get(name, 0) + value.numpy()
    return total


@pytest.mark.parametrize("kind", ["plain", "absent", "one class", "ties"])
@pytest.mark.parametrize("seed", [0, 1])
def test_all_equal_scikit_learn(seed: int, kind: str) -> None:
    logits, label = case(seed, kind)
    total, predicted = sums(logits, label), np.argmax(logits, axis=1)
    assert {name: value.dtype for name, value in total.items()} == {"confusion": np.int64, "places": np.int64}
    np.testing.assert_array_equal(total["confusion"], reference.confusion_matrix(label, predicted, labels=range(K)))
    found = classification.metrics(total)
    assert list(found) == ["top1", "top5", "balanced_accuracy", "f1_macro"]
    assert found["top1"] == pytest.approx(reference.accuracy_score(label, predicted), abs=1e-6)
    assert found["f1_macro"] == pytest.approx(reference.f1_score(label, predicted, average="macro", zero_division=0.0), abs=1e-6)
    present = np.unique(label)
    balanced = reference.recall_score(label, predicted, labels=present, average="macro")
    assert found["balanced_accuracy"] == pytest.approx(balanced, abs=1e-6)
    # Where logits are equal scikit-learn prefers the higher class number: turned round, the lower one.
    expected = [reference.top_k_accuracy_score(K - 1 - label, logits[:, ::-1], k=k, labels=range(K)) for k in range(1, K)]
    np.testing.assert_allclose(classification.top_k(total), expected, atol=1e-6)
    by_class = reference.precision_recall_fscore_support(label, predicted, labels=range(K), zero_division=np.nan)
    for name, expected in zip(("precision", "recall", "f1", "support"), by_class, strict=True):
        np.testing.assert_allclose(classification.per_class(total)[name], expected, atol=1e-6)


def test_balanced_accuracy_is_scikit_learns_own() -> None:
    logits, label = case(2, "plain")
    expected = reference.balanced_accuracy_score(label, np.argmax(logits, axis=1))
    assert classification.metrics(sums(logits, label))["balanced_accuracy"] == pytest.approx(expected, abs=1e-6)


def test_up_to_five_classes_there_is_no_top5() -> None:
    logits, label = case(0, "plain")
    total = sums(logits[:, :5], label % 5)
    assert list(classification.metrics(total)) == ["top1", "balanced_accuracy", "f1_macro"]
    assert total["places"].shape == (4,)


def test_a_network_that_says_the_same_of_all_classes_is_at_chance() -> None:
    label = np.repeat(np.arange(20, dtype=np.int32), 3)
    total = sums(np.zeros((60, 20), np.float32), label)
    np.testing.assert_allclose(classification.top_k(total), np.arange(1, 11) / 20)


def test_without_examples_there_are_no_metrics_rather_than_zeros() -> None:
    empty = classification.count(tf.zeros((2, K)), tf.constant([0, 1]), tf.zeros(2))
    assert np.isnan(list(classification.metrics({name: value.numpy() for name, value in empty.items()}).values())).all()


def test_scores_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.1, 0.6], [0.5, 0.5, 0.0]]) + 1e-30
    found = classification.scores(tf.constant(np.log(probabilities), tf.float32), tf.constant([0, 1, 1]))
    assert found["worst"].numpy() == pytest.approx([0.5, -0.5, 0.0], abs=1e-6)
    assert found["least_sure"].numpy() == pytest.approx([0.5, 0.3, 0.0], abs=1e-6)
    assert found["confidence"].numpy() == pytest.approx([0.7, 0.6, 0.5], abs=1e-6)
    assert found["given"].numpy() == pytest.approx([0.7, 0.1, 0.5], abs=1e-6)
    assert (found["label"].numpy().tolist(), found["predicted"].numpy().tolist()) == ([0, 1, 1], [0, 2, 0])
