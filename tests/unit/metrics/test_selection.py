"""Examples worth a look, chosen from a few numbers about each."""

from __future__ import annotations

import numpy as np

from kvision.metrics import selection


def test_the_lowest_come_first_and_what_is_no_number_before_them() -> None:
    score = np.array([0.5, 0.1, np.nan, 0.9, 0.1, -np.inf])
    assert selection.lowest(score, 5).tolist() == [2, 5, 1, 4, 0]
    assert selection.lowest(score[:2]).tolist() == [1, 0]


def test_the_lowest_of_each_class() -> None:
    label = np.array([4, 0, 4, 4, 0, 4, 2])
    score = np.array([0.9, 0.8, 0.1, 0.3, 0.2, 0.2, 1.0])
    assert selection.of_each_class(score, label).tolist() == [4, 1, 6, 2, 5, 3]


def test_of_many_classes_the_weakest_are_shown() -> None:
    label = np.repeat(np.arange(30), 4)
    score = (label * 7 % 30).astype(float)  # class 0 is the weakest, then 13, 26, 9 ...
    found = selection.of_each_class(score, label)
    weakest = sorted(sorted(range(30), key=lambda each: each * 7 % 30)[:10])
    assert label[found].tolist() == np.repeat(weakest, 3).tolist()


# Examples labelled 0 get it with probability 0.8 on average, those labelled 1 with 0.5.
LABEL = np.array([0, 0, 0, 1, 1, 1])
GIVEN = np.array([0.95, 0.95, 0.5, 0.7, 0.7, 0.1])


def suspects(predicted: list[int], confidence: list[float]) -> list[int]:
    return selection.suspects(LABEL, np.array(predicted), np.array(confidence), GIVEN).tolist()


def test_confident_disagreement_by_hand() -> None:
    # Example 5 is called 0 with 0.9 >= 0.8; example 2 is called 1 with 0.5 >= 0.5, and is less of a disagreement.
    assert suspects([0, 0, 1, 1, 1, 0], [0.95, 0.95, 0.5, 0.7, 0.7, 0.9]) == [5, 2]


def test_a_network_that_is_not_confident_suspects_nothing() -> None:
    assert suspects([0, 0, 1, 1, 1, 0], [0.95, 0.95, 0.45, 0.7, 0.7, 0.79]) == []


def test_a_class_that_no_example_is_labelled_as_has_no_say() -> None:
    assert suspects([0, 0, 2, 1, 1, 2], [0.95, 0.95, 0.5, 0.7, 0.7, 0.9]) == []


def test_wrong_labels_are_found_among_many() -> None:
    generator = np.random.default_rng(0)
    true = generator.integers(0, 5, 1000)
    probabilities = np.full((1000, 5), 0.05)
    probabilities[np.arange(1000), true] = 0.8
    probabilities += generator.uniform(0, 0.05, probabilities.shape)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    wrong = generator.choice(1000, 15, replace=False)
    label = true.copy()
    label[wrong] = (true[wrong] + 1) % 5
    found = selection.suspects(label, probabilities.argmax(axis=1), probabilities.max(axis=1), probabilities[np.arange(1000), label])
    assert len(found) >= 8  # the others lie below the mean confidence of their true class
    assert set(found.tolist()) <= set(wrong.tolist())


def test_the_kinds_of_a_single_label_classifier() -> None:
    scores = {
        "worst": np.array([-0.8, 0.9, 0.1]),
        "least_sure": np.array([0.8, 0.9, 0.1]),
        "label": np.array([0, 0, 1]),
        "predicted": np.array([1, 0, 1]),
        "confidence": np.array([0.9, 0.95, 0.55]),
        "given": np.array([0.1, 0.95, 0.55]),
    }
    found = {kind: numbers.tolist() for kind, numbers in selection.of_labels(scores).items()}
    assert found == {"worst": [0, 2, 1], "least_sure": [2, 0, 1], "by_class": [0, 1, 2], "suspects": [0]}
