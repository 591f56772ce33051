"""The plain recipe, and random layers that do nothing."""

from __future__ import annotations

import keras
import numpy as np

from kvision.core.schema import AugmentOptions
from kvision.engine.sanity import plain
from kvision.layers.stochastic_depth import StochasticDepth
from tests.unit.engine.sanity import faulty


def test_nothing_that_hinders_learning_is_left() -> None:
    optim = {"lr": 0.1, "weight_decay": 0.2, "accumulate": 2, "ema": 0.9, "schedule": "cosine", "clip_norm": 1.0}
    given = faulty.resolved(optim={**optim, "groups": ({"match": "kernel", "lr_scale": 0.5, "weight_decay": 0.3},)})
    found = plain.plain(given, 6).recipe
    assert found.data.augment == AugmentOptions()
    assert given.recipe.data.augment.flip_x == 0.5
    assert (found.data.batch, found.loss.label_smoothing, found.optim.weight_decay, found.optim.accumulate, found.optim.ema) == (6, 0.0, 0.0, 1, None)
    assert (found.optim.lr, found.optim.clip_norm, found.optim.schedule, found.optim.warmup_steps) == (0.1, 1.0, "constant", plain.WARMUP_STEPS)
    assert [(group.match, group.lr_scale, group.weight_decay) for group in found.optim.groups] == [("kernel", 0.5, None)]


def test_random_layers_are_quiet_wherever_they_stand() -> None:
    image = keras.Input([4, 4, 2])
    inner = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.GaussianNoise(1.0)])
    net = keras.Model(image, StochasticDepth(0.5)(inner(keras.layers.SpatialDropout2D(0.5)(image))))
    x = np.random.default_rng(0).normal(size=[3, 4, 4, 2]).astype(np.float32)
    assert not np.allclose(net(x, training=True), x)
    plain.quiet([net])
    np.testing.assert_array_equal(net(x, training=True), x)
