"""Classifiers of any options, and networks of keras.applications to compare them with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kvision.core.schema import DataOptions, Recipe
from kvision.data.source import DataInfo
from kvision.engine import pretrained
from kvision.systems.classification import _keras_weights

if TYPE_CHECKING:
    from kvision.systems.classification._part import Classifier


def recipe(system: type[Classifier], size_px: int, **model: Any) -> Recipe:
    """A recipe for a system with these options of its model."""
    return Recipe(
        system="classification/any",
        model=system.Options(**model),
        loss=system.Loss(),
        data=DataOptions(source="digits", size_px=size_px, batch=4),
    )


def made(system: type[Classifier], size_px: int, classes: int = 10, **model: Any) -> Classifier:
    """The system with its networks."""
    names = tuple(f"class {number}" for number in range(classes))
    info = DataInfo(names, ((0, 0, 0),) * classes, frozenset({"image", "label"}))
    result = system(recipe(system, size_px, **model), info)
    result.networks = result.build()
    return result


def images(size_px: int, examples: int = 2) -> np.ndarray:
    """Noise `[B, S, S, 3]`."""
    return np.random.default_rng(0).normal(size=(examples, size_px, size_px, 3)).astype(np.float32)


def copied(reference: keras.Model, net: keras.Model) -> None:
    """Gives both networks the same random weights; those of normalisations are random too."""
    generator = np.random.default_rng(1)
    for layer in reference.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            drawn = [generator.uniform(low, high, layer.beta.shape) for low, high in ((0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5))]
            layer.set_weights(drawn if layer.scale else drawn[1:])
        elif layer.weights and not isinstance(layer, keras.layers.Normalization):
            layer.set_weights([generator.normal(scale=np.sqrt(1.0 / max(1, np.prod(each.shape[:-1]))), size=each.shape) for each in layer.weights])
    assert not pretrained.put({"net": net}, pretrained.Pretrained(_keras_weights.carried(reference, net), reference.name))
