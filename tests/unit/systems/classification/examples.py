"""A small classifier and a batch for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kvision.core.schema import DataOptions, Recipe
from kvision.data.source import DataInfo
from kvision.systems.classification._part import ClassificationLoss
from kvision.systems.classification.resnet import ResNet, ResNetOptions

NAMES = ("ant", "bee", "cat")
ONE, SEVERAL = (DataInfo(NAMES, ((0, 0, 0),) * 3, frozenset({"image", field})) for field in ("label", "targets"))


def classifier(info: DataInfo = ONE, loss: dict[str, Any] | None = None, **model: Any) -> ResNet:
    options = ResNetOptions(depth=8, filters=(4, 4, 4), **model)
    data = DataOptions(source="digits", size_px=8, batch=4)
    system = ResNet(Recipe(system="classification/resnet", model=options, loss=ClassificationLoss(**(loss or {})), data=data), info)
    system.networks = system.build()
    return system


def batch(seed: int = 0, examples: int = 6) -> dict[str, tf.Tensor]:
    generator = np.random.default_rng(seed)
    return {
        "image": tf.constant(generator.normal(size=(examples, 8, 8, 3)), tf.float32),
        "label": tf.constant(generator.integers(0, 3, examples), tf.int32),
        "targets": tf.constant(generator.integers(0, 2, (examples, 3)), tf.float32),
        "weight": tf.ones(examples),
    }
