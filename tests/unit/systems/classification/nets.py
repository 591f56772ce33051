"""Classifiers of any options, and networks of keras.applications to compare them with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kvision.core.schema import DataOptions, Recipe
from kvision.data.source import DataInfo

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
    """Gives both networks the same random weights, layer by layer in the order of their graphs; shapes must agree.

    Scale, offset and statistics of normalisations are random too. Where the reference's normalisation has no scale, ours gets ones, and where its
    epsilon is another one, the difference goes into our variance, which gives exactly the same factor.
    """
    generator = np.random.default_rng(1)
    pairs = [[layer for layer in each.layers if layer.weights] for each in (reference, net)]
    for theirs, ours in zip(*pairs, strict=True):
        if isinstance(theirs, keras.layers.BatchNormalization):
            channels = theirs.beta.shape[0]
            gamma, beta, mean, variance = (generator.uniform(low, high, channels) for low, high in ((0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5)))
            theirs.set_weights(([gamma] if theirs.scale else []) + [beta, mean, variance])
            ours.set_weights([gamma if theirs.scale else np.ones(channels), beta, mean, variance + theirs.epsilon - ours.epsilon])
            continue
        weights = [generator.normal(scale=np.sqrt(1.0 / max(1, np.prod(each.shape[:-1]))), size=each.shape) for each in theirs.weights]
        theirs.set_weights(weights)
        ours.set_weights(weights)
