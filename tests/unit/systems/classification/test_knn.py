"""k-nearest neighbours: it answers as scikit-learn's, k is chosen where the recipe says, and options that can't be are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from kvision.core.errors import DataError, UsageError
from kvision.data.source import DataInfo
from kvision.systems.classification.knn import KNN
from tests.unit.layers import device
from tests.unit.systems.classification import nets

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 8
SPLITS = {"train": (60, 0), "val": (40, 1)}


def pictures(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Three kinds of pictures that overlap."""
    count, seed = SPLITS[split]
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    means = np.random.default_rng(9).normal(size=(3, SIZE, SIZE, 3))
    return (0.15 * means[labels] + generator.normal(size=(count, SIZE, SIZE, 3))).astype(np.float32), labels


def examples(split: str) -> Iterator[dict[str, np.ndarray]]:
    images, labels = pictures(split)
    for start in range(0, len(labels), 16):
        yield {"image": images[start : start + 16], "label": labels[start : start + 16]}


def fitted(**model: Any) -> KNN:
    system = nets.made(KNN, SIZE, 3, **{"examples": 60} | model)
    system.fit(examples)
    return system


def reference(k: int, **options: Any) -> KNeighborsClassifier:
    images, labels = pictures("train")
    return KNeighborsClassifier(k, **options).fit(images.reshape(60, -1), labels)


@pytest.mark.parametrize(("metric", "theirs"), [("l1", "manhattan"), ("l2", "euclidean"), ("cosine", "cosine")])
def test_it_answers_as_scikit_learn_s(metric: str, theirs: str) -> None:
    images, _ = pictures("val")
    found = fitted(k=5, metric=metric).predict_step(images)
    np.testing.assert_array_equal(found["classes"], reference(5, metric=theirs).predict(images.reshape(40, -1)))


def test_k_is_the_best_of_validation_and_the_run_tells_of_all_candidates() -> None:
    system = fitted(candidates=(1, 4, 9, 30))
    images, labels = pictures("val")
    scores = {k: reference(k).score(images.reshape(40, -1), labels) for k in (1, 4, 9, 30)}
    choice = system.chosen()["model.k"]
    assert choice.value == int(system.net.get_layer("logits").k.numpy()) == max(scores, key=scores.get)
    tried = ", ".join(f"{k}: {score:.4f}" for k, score in scores.items())
    assert choice.why == f"best accuracy on 40 validation examples ({tried})"


def test_k_is_the_best_of_folds() -> None:
    choice = fitted(candidates=(1, 9, 25), choose="folds", folds=4).chosen()["model.k"]
    images, labels = pictures("train")
    fold = np.arange(60) // 3 % 4  # the classes come in turn, and within a class the folds do
    parts = [(np.flatnonzero(fold != each), np.flatnonzero(fold == each)) for each in range(4)]
    scores = {k: cross_val_score(KNeighborsClassifier(k), images.reshape(60, -1), labels, cv=parts).mean() for k in (1, 9, 25)}
    assert choice.value == max(scores, key=scores.get)
    tried = ", ".join(f"{k}: {score:.4f}" for k, score in scores.items())
    assert choice.why == f"best mean accuracy on 4 folds of the training examples ({tried})"


def test_a_k_that_is_given_is_not_chosen() -> None:
    system = fitted(k=7)
    assert (int(system.net.get_layer("logits").k.numpy()), system.chosen()) == (7, {})


def test_fewer_examples_are_spread_over_the_classes() -> None:
    layer = fitted(k=1, examples=21).net.get_layer("logits")
    assert layer.examples.shape == (21, SIZE * SIZE * 3)
    np.testing.assert_array_equal(np.bincount(layer.labels.numpy()), [7, 7, 7])


def test_more_examples_than_there_are_can_t_be_kept() -> None:
    with pytest.raises(DataError, match=r"model.examples: 61 of 60 training examples can't be kept; use at most 60, or auto"):
        fitted(k=1, examples=61)


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_ten_views_of_a_picture_are_asked_in_whole_numbers(metric: str) -> None:
    system = fitted(k=3, metric=metric, tta="ten_crop")
    images, _ = pictures("val")
    exact = system.net(images).numpy()
    assert np.abs(device.whole_numbers(system.net, images) - exact).mean() < 0.05 * np.ptp(exact)


def test_parameters_by_hand() -> None:
    assert nets.made(KNN, SIZE, 3, k=3, examples=60).net.count_params() == 60 * SIZE * SIZE * 3 + 2 * 60 + 1  # offsets, labels, k


def source(count: int) -> Any:
    return SimpleNamespace(split=lambda name: list(range(count)) if name == "train" else [])


def test_all_training_examples_are_counted() -> None:
    recipe = nets.recipe(KNN, SIZE, k=3)
    assert recipe.model.chosen()["examples"].value is None
    assert KNN.settle(recipe, source(60))["model.examples"].value == 60
    assert KNN.settle(nets.recipe(KNN, SIZE, k=3, examples=40), source(60)) == {}
    with pytest.raises(DataError, match=r"model.k: 80 can't vote where there are 60 examples; use at most 60"):
        KNN.settle(nets.recipe(KNN, SIZE, k=80), source(60))


@pytest.mark.parametrize(
    ("model", "where", "message"),
    [
        ({"k": 3, "folds": 4}, "model.folds", "4 has no effect without k=auto; take it out"),
        ({"k": 3, "candidates": (1, 3)}, "model.candidates", "(1, 3) has no effect without k=auto; take it out"),
        ({"folds": 4}, "model.folds", "4 has no effect without choose=folds; take it out"),
        ({"dropout": 0.5}, "model.dropout", "0.5 has no effect, for nothing is learnt; take it out"),
        ({"weights": "runs/a"}, "model.weights", "runs/a has no effect, for nothing is learnt; take it out"),
        ({"knn_k": 7}, "model.knn_k", "7 has no effect, for nothing is learnt; take it out"),
        ({"k": 50, "examples": 40}, "model.k", "50 can't vote where there are 40 examples; use at most 40"),
        ({"candidates": (1, 50), "examples": 40}, "model.candidates", "50 can't vote where there are 40 examples; use at most 40"),
        (
            {"candidates": (1, 27), "choose": "folds", "folds": 3, "examples": 40},
            "model.candidates",
            "27 can't vote where there are 40 examples less a fold of 3; use at most 26",
        ),
    ],
)
def test_options_that_can_t_be_are_refused(model: dict[str, Any], where: str, message: str) -> None:
    assert KNN.check(nets.recipe(KNN, SIZE, **model)) == [(where, message)]


def test_pictures_of_several_classes_are_refused() -> None:
    info = DataInfo(("a", "b"), ((0, 0, 0),) * 2, frozenset({"image", "targets"}))
    with pytest.raises(UsageError, match=r"classification/any votes for one class, the data has several classes a picture"):
        KNN(nets.recipe(KNN, SIZE), info)
