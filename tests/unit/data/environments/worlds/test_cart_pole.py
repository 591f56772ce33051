"""Cart and pole: whole episodes beside Gymnasium's are in tests/unit/data/environments/test_hosted.py."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from kvision.data.environments.worlds.cart_pole import CartPole

SEEDS = np.arange(4, 12, dtype=np.int64)


def test_an_episode_begins_as_gymnasium_s_of_its_seed() -> None:
    _, seen = CartPole(8, max_steps=500).reset(tf.constant(SEEDS))
    np.testing.assert_array_equal(seen, [gymnasium.make("CartPole-v1").reset(seed=int(seed))[0] for seed in SEEDS])


def test_its_picture_leans_as_the_pole_does() -> None:
    world = CartPole(1, max_steps=500)
    pole = [np.flatnonzero((world.render({"physics": np.array([0, 0, angle, 0])})[30] == (202, 152, 101)).all(-1)) for angle in (-0.2, 0.0, 0.2)]
    assert pole[1].mean() == pytest.approx(120, abs=1)
    assert pole[0].mean() < 110 < 130 < pole[2].mean()
