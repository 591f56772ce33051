"""A small U-Net and a batch for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from kvision.core.schema import DataOptions, Recipe
from kvision.data.source import DataInfo
from kvision.systems.segmentation._part import SegmentationLoss
from kvision.systems.segmentation.unet import UNet, UNetOptions

INFO = DataInfo(("ground", "disc", "ring"), ((0, 0, 0), (255, 0, 0), (0, 0, 255)), frozenset({"image", "mask", "instances"}))


def recipe(size_px: int = 8, loss: dict[str, Any] | None = None, **model: Any) -> Recipe:
    return Recipe(
        system="segmentation/unet",
        model=UNetOptions(**model),
        loss=SegmentationLoss(**(loss or {})),
        data=DataOptions(source="scenes", size_px=size_px, batch=4),
    )


def unet(size_px: int = 8, loss: dict[str, Any] | None = None, info: DataInfo = INFO, **model: Any) -> UNet:
    system = UNet(recipe(size_px, loss, **({"filters": (2, 4)} | model)), info)
    system.networks = system.build()
    return system


def batch(examples: int = 4, size_px: int = 8, seed: int = 0) -> dict[str, tf.Tensor]:
    generator = np.random.default_rng(seed)
    mask = generator.integers(0, 3, (examples, size_px, size_px)).astype(np.uint8)
    mask[:, 0, :3] = 255
    return {
        "image": tf.constant(generator.normal(size=(examples, size_px, size_px, 3)), tf.float32),
        "mask": tf.constant(mask),
        "instances": tf.constant(generator.integers(0, 4, (examples, size_px, size_px)), tf.uint8),
        "index": tf.range(examples, dtype=tf.int64),
        "weight": tf.ones(examples),
    }
