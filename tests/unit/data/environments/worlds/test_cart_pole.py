"""Cart and pole moves as Gymnasium's does."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from kvision.data.environments.worlds.cart_pole import CartPole

SEEDS = np.arange(4, 12, dtype=np.int64)


@pytest.mark.parametrize("limit", [500, 15])
def test_it_moves_as_gymnasium_s(limit: int) -> None:
    world = CartPole(8, max_steps=limit)
    step = tf.function(world.step, jit_compile=True)
    state, seen = world.reset(tf.constant(SEEDS))
    envs = [gymnasium.make("CartPole-v1", max_episode_steps=limit) for _ in SEEDS]
    for env in envs:
        env.reset(seed=0)
    going, lengths = np.ones(8, bool), np.zeros(8, int)
    random = np.random.default_rng(0)
    while going.any():
        # half of them by an expert, so that they last; the others by chance
        action = np.where(np.arange(8) < 4, seen.numpy() @ [0.05, 0.1, 1.0, 0.5] > 0, random.integers(2, size=8)).astype(np.int32)
        before = state["physics"].numpy()
        state, found = step(state, tf.constant(action))
        for lane in np.flatnonzero(going):
            envs[lane].unwrapped.state = before[lane]  # type: ignore[attr-defined]  # each step anew: what is rounded otherwise would grow
            theirs, reward, terminated, truncated, _ = envs[lane].step(int(action[lane]))
            np.testing.assert_allclose(found.final_observation[lane], theirs, rtol=0, atol=2e-7)
            ends = bool(found.terminated[lane]), bool(found.truncated[lane])
            assert (float(found.reward[lane]), *ends) == (reward, terminated, truncated and not terminated)
            lengths[lane] += 1
            going[lane] = not (terminated or truncated)
        seen = found.observation
    assert (lengths[:4] == limit).all()
    assert limit == 15 or (lengths[4:] < 150).all()


def test_episodes_begin_as_uniformly_as_gymnasium_s() -> None:
    state, _ = CartPole(4096, max_steps=500).reset(tf.range(4096, dtype=tf.int64))
    physics = state["physics"].numpy()
    assert np.abs(physics).max() <= 0.05
    np.testing.assert_allclose(physics.mean(0), 0, atol=0.002)
    np.testing.assert_allclose(physics.std(0), 0.1 / np.sqrt(12), rtol=0.03)


def test_its_picture_leans_as_the_pole_does() -> None:
    world = CartPole(1, max_steps=500)
    pole = [np.flatnonzero((world.render({"physics": np.array([0, 0, angle, 0])})[30] == (202, 152, 101)).all(-1)) for angle in (-0.2, 0.0, 0.2)]
    assert pole[1].mean() == pytest.approx(120, abs=1)
    assert pole[0].mean() < 110 < 130 < pole[2].mean()
