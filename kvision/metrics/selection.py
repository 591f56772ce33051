"""Which examples are worth a look, from a few numbers about each: the worst, the least sure, some of each class, and suspected wrong labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = 8
"""Examples of a kind."""
MOST_CLASSES, OF_EACH_CLASS = 10, 3
MOST_SUSPECTS = 20


def lowest(score: np.ndarray, most: int = SHOWN) -> np.ndarray:
    """Numbers of the examples with the lowest scores `[n]`, the lowest first; a score that is not a number comes before all others.

    Args:
        score: `[N]`.
        most: Largest n.

    Returns:
        int64 `[n]`.
    """
    return np.argsort(np.where(np.isnan(score), -np.inf, score), kind="stable")[:most]


def of_labels(scores: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The examples of a single-label classifier that the report shows.

    Args:
        scores: What `classification.scores` says of N examples.

    Returns:
        Numbers of examples by kind: `worst`, `least_sure`, `by_class` and `suspects`.
    """
    return {
        "worst": lowest(scores["worst"]),
        "least_sure": lowest(scores["least_sure"]),
        "by_class": of_each_class(scores["worst"], scores["label"]),
        "suspects": suspects(scores["label"], scores["predicted"], scores["confidence"], scores["given"]),
    }


def of_each_class(score: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The lowest scores of each class, class by class; of many classes those with the lowest mean.

    Args:
        score: `[N]`.
        label: Class numbers `[N]`.

    Returns:
        Numbers of examples, at most `OF_EACH_CLASS` of each of `MOST_CLASSES` classes.
    """
    classes = np.unique(label)
    weakest = classes[lowest(np.array([score[label == each].mean() for each in classes]), MOST_CLASSES)]
    places = [np.flatnonzero(label == each) for each in np.sort(weakest)]
    return np.concatenate([place[lowest(score[place], OF_EACH_CLASS)] for place in places])


def suspects(label: np.ndarray, predicted: np.ndarray, confidence: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Examples whose label may be wrong, because the network disagrees with it confidently: the largest disagreement first.

    The network is confident of a class when it gives it at least the probability that it gives on average to the examples so labelled. An
    example is suspected if the network is confident of another class, and not of the label. It must not have been trained on these examples.

    Args:
        label: Given class numbers `[N]`.
        predicted: Most probable class `[N]`.
        confidence: Its probability `[N]`.
        given: Probability of the given class `[N]`.

    Returns:
        Numbers of at most `MOST_SUSPECTS` examples.

    References:
        Northcutt 2021, arXiv 1911.00068, equations 1 and 2, for the predicted class alone.
    """
    size = 1 + max(label.max(), predicted.max())
    number = np.bincount(label, minlength=size)
    threshold = np.bincount(label, weights=given, minlength=size) / np.where(number > 0, number, np.nan)  # NaN: nothing is confident
    found = np.flatnonzero((predicted != label) & (confidence >= threshold[predicted]) & (given < threshold[label]))
    return found[lowest((given - confidence)[found], MOST_SUSPECTS)]
