"""The head of a classifier set in one go, from what the frozen body says of all training examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kvision.core.errors import DataError
from kvision.core.schema import Chosen
from kvision.engine.replica import native
from kvision.layers import neighbours
from kvision.systems.classification import _probe
from kvision.systems.classification._feature_cache import Features
from kvision.systems.classification._transfer import CANDIDATES, HEAD, METRIC, TransferOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kvision.engine.system import Examples
    from kvision.systems.classification._part import Classifier


def fit(system: Classifier, options: TransferOptions, examples: Examples) -> dict[str, Chosen]:
    """Fits the layer of the logits.

    Args:
        system: Its networks built, their first weights in place.
        options: What is fitted.
        examples: As `System.fit` is given them.

    Returns:
        What was chosen for options that stand open, by dotted path.

    Raises:
        DataError: If the examples do not serve.
    """
    features, labels = _features(system, examples)
    return (_remembered if options.transfer == "knn" else _probed)(system, options, features, labels)


def _probed(system: Classifier, options: TransferOptions, features: np.ndarray, labels: np.ndarray) -> dict[str, Chosen]:
    """Fits a linear layer."""
    kind, num_classes = options.probe, system.info.num_classes
    chosen = {"model.probe_c": _probe.choose(features, labels, kind, num_classes)} if options.probe_c == "auto" else {}
    c = float(chosen["model.probe_c"].value if chosen else options.probe_c)
    linear = _probe.fit(features, labels, kind, c, num_classes)
    layer = system.net.get_layer(HEAD)
    native(layer.kernel).assign(linear.kernel)
    native(layer.bias).assign(linear.bias)
    return chosen


def _remembered(system: Classifier, options: TransferOptions, features: np.ndarray, labels: np.ndarray) -> dict[str, Chosen]:
    """Keeps the examples, of which the nearest vote."""
    layer = system.net.get_layer(HEAD)
    if len(features) != layer.num_examples:
        raise DataError(
            f"model.knn_examples: there were {layer.num_examples} training examples when the network was built, and {len(features)} can be read; "
            "`kvision data check` lists all faults"
        )
    chosen = {"model.knn_k": _number_of_neighbours(features, labels)} if options.knn_k == "auto" else {}
    layer.remember(features, labels, int(chosen["model.knn_k"].value if chosen else options.knn_k))
    return chosen


def _number_of_neighbours(features: np.ndarray, labels: np.ndarray) -> Chosen:
    """Those that vote best on folds of the training examples."""
    fold = _probe.folds(labels)
    if fold is None:
        return Chosen(_probe.TOO_FEW, 1)
    most = len(labels) - int(np.bincount(fold).max())
    found = neighbours.cross_validated(features, labels, fold, [k for k in CANDIDATES if k <= most], METRIC)
    return neighbours.best(found, f"mean accuracy on {fold.max() + 1} folds of the training examples")


def _features(system: Classifier, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """What enters the logits `[N, D]`, the mean over the views of each picture, and the labels `[N]` or `[N, K]` of the training examples."""
    body = keras.Model(system.net.input, system.averaged(system.net.get_layer(HEAD).input))
    labels: list[np.ndarray] = []

    def images() -> Iterator[np.ndarray]:
        for batch in examples("train"):
            labels.append(batch["targets" if system.several else "label"])
            yield batch["image"]

    features = Features(body).of_all(images())
    return features, np.concatenate(labels).astype(np.int64)
