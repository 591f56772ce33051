"""A linear layer fitted to features: logistic regression or a linear SVM on standardised features, the penalty chosen by cross-validation.

Standardising is folded into the layer's own weights, so that it takes the features as they are.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from kvision.core import words
from kvision.core.errors import DataError
from kvision.core.progress import Count
from kvision.core.schema import Chosen
from kvision.data import splits

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["logistic", "svm"]
STRENGTHS = tuple(10.0**power for power in range(-5, 3))
"""The values of C that are tried, from the strongest penalty on."""
PLAIN = 1.0
"""C where a class has too few examples to try any."""
FOLDS = 5
TOO_FEW = "a class has too few examples to choose on"
_PATIENCE = 2
_MOST_ITERATIONS = 300


@dataclass(frozen=True)
class Linear:
    """A linear layer: `kernel` float32 `[D, K]` and `bias` float32 `[K]`."""

    kernel: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Logits `[N, K]` of features `[N, D]`."""
        return features @ self.kernel + self.bias


def fit(features: np.ndarray, labels: np.ndarray, kind: Kind, c: float, num_classes: int) -> Linear:
    """Fits the layer.

    Args:
        features: `[N, D]`.
        labels: int `[N]`, or 0 and 1 `[N, K]` where an example can be of several classes: then each class has a regression of its own.
        kind: What is fitted.
        c: Inverse strength of the penalty.
        num_classes: K.

    Returns:
        The layer; of two classes the logits are plus and minus half of the one score, so that their softmax is its sigmoid.

    Raises:
        DataError: If a class has no example, or all of them.
    """
    _check(labels, num_classes)
    if labels.ndim == 2:
        each = [_scores(features, labels[:, number], kind, c) for number in range(num_classes)]
        kernels, biases = (np.concatenate(parts, axis=-1) for parts in zip(*each, strict=True))
    else:
        kernels, biases = _scores(features, labels, kind, c)
        if num_classes == 2:
            kernels, biases = kernels * [-0.5, 0.5], biases * [-0.5, 0.5]
    return Linear(kernels.astype(np.float32), biases.astype(np.float32))


def choose(features: np.ndarray, labels: np.ndarray, kind: Kind, num_classes: int) -> Chosen:
    """Chooses C by its accuracy on stratified folds.

    Args:
        features: As for `fit`, like all the rest.
        labels: Likewise.
        kind: Likewise.
        num_classes: Likewise.

    Returns:
        C, and the accuracies that speak for it; from the strongest penalty on, until two were worse than the best.
    """
    _check(labels, num_classes)
    fold = folds(labels)
    if fold is None:
        return Chosen(TOO_FEW, PLAIN)
    num_folds = int(fold.max()) + 1
    found: dict[float, list[float]] = {}
    with Count("choosing probe_c", len(STRENGTHS) * num_folds) as count:
        for c in STRENGTHS:
            found[c] = []
            for number in range(num_folds):
                layer = fit(features[fold != number], labels[fold != number], kind, c, num_classes)
                found[c].append(_accuracy(layer(features[fold == number]), labels[fold == number]))
                count.at((len(found) - 1) * num_folds + number + 1)
            means = [float(np.mean(each)) for each in found.values()]
            if len(means) > _PATIENCE and max(means[-_PATIENCE:]) < max(means):
                break
    best = list(found)[int(np.argmax(means))]
    tried = ", ".join(f"{words.number(c)}: {mean:.4f}" for c, mean in zip(found, means, strict=True))
    its = " ".join(f"{each:.4f}" for each in found[best])
    return Chosen(f"best mean accuracy on {num_folds} folds of the training examples ({tried}); its folds: {its}", best)


def folds(labels: np.ndarray) -> np.ndarray | None:
    """The fold that each training example is in, `[N]`: up to `FOLDS`, so many that all others tell each class apart; none where no two do."""
    counts = np.bincount(labels) if labels.ndim == 1 else np.minimum(labels.sum(0), len(labels) - labels.sum(0))
    for count in range(min(FOLDS, int(counts[counts > 0].min())), 1, -1):
        fold = splits.folds(labels, count)
        # Of several classes an example is drawn by one, so that all with, or without, another one may have come into the same fold.
        if labels.ndim == 1 or all(np.ptp(labels[fold != number], axis=0).all() for number in range(count)):
            return fold
    return None


def _scores(features: np.ndarray, labels: np.ndarray, kind: Kind, c: float) -> tuple[np.ndarray, np.ndarray]:
    """Kernel `[D, K]` and bias `[K]` for features as they are; of two classes, K is 1."""
    options: dict[str, Any] = {"C": c, "max_iter": _MOST_ITERATIONS}
    model = LogisticRegression(**options) if kind == "logistic" else LinearSVC(**options, random_state=0)
    scaler = StandardScaler()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a weak penalty on data that can be separated has no end, and folds judge what came
        make_pipeline(scaler, model).fit(features.astype(np.float64), labels)
    kernel = (model.coef_ / scaler.scale_).T
    return kernel, model.intercept_ - scaler.mean_ @ kernel


def _accuracy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Share of right answers; of several classes, of right yes or no."""
    return float(np.mean((logits > 0) == labels if labels.ndim == 2 else logits.argmax(1) == labels))


def _check(labels: np.ndarray, num_classes: int) -> None:
    counts: Sequence[int] = (labels.sum(0) if labels.ndim == 2 else np.bincount(labels, minlength=num_classes)).tolist()
    wrong = [number for number, count in enumerate(counts) if count in (0, len(labels))]
    if wrong:
        held = f"{'none' if not counts[wrong[0]] else 'all'} of the {len(labels)} training examples"
        raise DataError(f"model.transfer: linear_probe tells classes apart, but class {wrong[0]} has {held}; add examples, or leave the class out")
