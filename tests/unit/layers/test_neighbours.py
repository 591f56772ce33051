"""Neighbours: the votes are scikit-learn's, on a device too, and k is chosen as its cross-validation would choose it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from kvision.layers import neighbours
from kvision.layers.neighbours import Metric, NearestNeighbours
from tests.unit.layers import device

if TYPE_CHECKING:
    from pathlib import Path

METRICS: tuple[Metric, ...] = ("l1", "l2", "cosine")
THEIRS = {"l1": "manhattan", "l2": "euclidean", "cosine": "cosine"}


def clouds(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Four clouds that overlap, in 12 dimensions."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 4, count)
    centres = np.random.default_rng(9).normal(size=(4, 12))
    return (centres[labels] + 1.5 * generator.normal(size=(count, 12))).astype(np.float32), labels


def fitted(metric: Metric, k: int, largest_k: int = 7) -> keras.Model:
    examples, labels = clouds(150)
    entry = keras.Input((12,), name="features")
    layer = NearestNeighbours(150, 4, largest_k, metric, name="logits")
    net = keras.Model(entry, layer(entry))
    layer.remember(examples, labels, k)
    return net


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 2, 7])
@pytest.mark.parametrize("count", [1, 10, 90])
def test_votes_and_answers_are_scikit_learn_s(metric: Metric, k: int, count: int) -> None:
    examples, labels = clouds(150)
    queries, _ = clouds(count, seed=1)
    theirs = KNeighborsClassifier(k, metric=THEIRS[metric]).fit(examples, labels)
    shares = tf.nn.softmax(fitted(metric, k)(queries)).numpy()
    np.testing.assert_allclose(shares * (k + 1) - 0.25, k * theirs.predict_proba(queries), atol=1e-5)  # one more vote for four classes
    np.testing.assert_array_equal(shares.argmax(1), theirs.predict(queries))


@pytest.mark.parametrize("count", [1, 10, 11])
def test_of_equally_near_examples_the_first_ones_vote(count: int) -> None:
    layer = NearestNeighbours(5, 3, 3)
    layer.build((None, 2))
    layer.remember(np.array([[3.0, 4.0], [5.0, 0.0], [0.0, 1.0], [4.0, 3.0], [-5.0, 0.0]]), np.array([2, 2, 1, 0, 0]), 3)
    shares = tf.nn.softmax(layer(tf.zeros([count, 2]))).numpy()
    np.testing.assert_allclose(shares, [[1 / 12, 4 / 12, 7 / 12]] * count, rtol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("count", [1, 11])
def test_where_all_are_equally_near_the_first_ones_vote(metric: Metric, count: int) -> None:
    layer = NearestNeighbours(5, 3, 3, metric)
    layer.build((None, 2))
    layer.remember(1000.0 * np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 0.0]]), np.array([2, 1, 2, 0, 0]), 3)
    shares = tf.nn.softmax(layer(tf.zeros([count, 2]))).numpy()
    np.testing.assert_allclose(shares, [[1 / 12, 4 / 12, 7 / 12]] * count, rtol=1e-6)


def test_the_first_of_two_classes_wins_a_draw() -> None:
    layer = NearestNeighbours(4, 4, 4)
    layer.build((None, 1))
    layer.remember(np.array([[1.0], [2.0], [3.0], [4.0]]), np.array([3, 1, 3, 1]), 4)
    assert layer(tf.zeros([1, 1])).numpy().argmax() == 1


@pytest.mark.parametrize("metric", METRICS)
def test_whole_numbers_find_nearly_the_same_answers(metric: Metric) -> None:
    queries, labels = clouds(200, seed=1)
    net = fitted(metric, 5)
    found = device.whole_numbers(net, queries).argmax(1)
    exact = net(queries).numpy().argmax(1)
    assert np.mean(found == exact) > 0.93
    assert abs(np.mean(found == labels) - np.mean(exact == labels)) < 0.03


@pytest.mark.parametrize("metric", METRICS)
def test_saved_and_loaded_it_says_the_same(metric: Metric, tmp_path: Path) -> None:
    net, queries = fitted(metric, 3), clouds(5, seed=1)[0]
    net.save(tmp_path / "net.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "net.keras")(queries), net(queries))


def test_distances_are_float32_whatever_the_policy() -> None:
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        net = fitted("l2", 3)
    finally:
        keras.config.set_dtype_policy(before)
    queries = clouds(50, seed=1)[0]
    assert net(queries).dtype == tf.float32
    np.testing.assert_array_equal(net(queries), fitted("l2", 3)(queries))


def test_it_learns_nothing_by_steps() -> None:
    net = fitted("l2", 3)
    assert net.trainable_variables == []
    assert {variable.name: variable.dtype for variable in net.weights} == {
        "examples": "float32",
        "offsets": "float32",
        "labels": "int32",
        "k": "int32",
    }


def test_before_it_remembers_the_classes_come_in_turn() -> None:
    layer = NearestNeighbours(7, 3, 5)
    layer.build((None, 2))
    np.testing.assert_array_equal(layer.labels, [0, 1, 2, 0, 1, 2, 0])
    assert int(layer.k.numpy()) == 5


def test_k_must_be_possible() -> None:
    with pytest.raises(ValueError, match="largest_k: 6 of 5 examples; use 1 to 5"):
        NearestNeighbours(5, 3, 6)
    layer = NearestNeighbours(5, 3, 4)
    layer.build((None, 2))
    with pytest.raises(ValueError, match="k: 5; use 1 to 4"):
        layer.remember(np.zeros((5, 2)), np.zeros(5), 5)


@pytest.mark.parametrize("metric", METRICS)
def test_accuracies_of_validation_are_scikit_learn_s(metric: Metric) -> None:
    examples, labels = clouds(150)
    queries, truth = clouds(300, seed=1)
    found = neighbours.validated(examples, labels, queries, truth, (9, 1, 4), metric)
    expected = {k: KNeighborsClassifier(k, metric=THEIRS[metric]).fit(examples, labels).score(queries, truth) for k in (9, 1, 4)}
    assert list(found) == [9, 1, 4]
    assert found == pytest.approx(expected, abs=1e-9)


def test_accuracies_of_cross_validation_are_scikit_learn_s() -> None:
    examples, labels = clouds(150)
    folds = list(StratifiedKFold(3).split(examples, labels))
    fold = np.empty(150, int)
    for number, (_, asked) in enumerate(folds):
        fold[asked] = number
    found = neighbours.cross_validated(examples, labels, fold, (1, 5), "l2")
    expected = {k: cross_val_score(KNeighborsClassifier(k), examples, labels, cv=folds).mean() for k in (1, 5)}
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_smallest_of_the_best_is_taken() -> None:
    choice = neighbours.best({9: 0.8, 5: 0.9, 3: 0.9, 1: 0.7}, "accuracy")
    assert (choice.value, choice.why) == (3, "best accuracy (9: 0.8000, 5: 0.9000, 3: 0.9000, 1: 0.7000)")
