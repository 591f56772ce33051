from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.data.environments.worlds.catch import DROP, PADDLE, Catch
from kvision.data.environments.worlds.field import GROUND
from tests.unit.data.environments.worlds import play

SIZE, DROPS, GAP = 6, 4, 3


class Slow:
    def __init__(self, seed: int) -> None:
        self.paddle, self.time, self.columns = SIZE // 2, 0, [int(play.uniform(seed, 0, 0) * SIZE)]
        for drop in range(1, DROPS):
            low, high = max(self.columns[-1] - GAP, 0), min(self.columns[-1] + GAP, SIZE - 1)
            self.columns.append(low + int(play.uniform(seed, 0, drop) * (high - low + 1)))

    def advance(self, action: int) -> tuple[float, bool]:
        self.paddle = min(max(self.paddle + int(action) - 1, 0), SIZE - 1)
        self.time += 1
        reward = 0.0
        for drop, column in enumerate(self.columns):
            if self.time - drop * GAP == SIZE - 1 and column == self.paddle:
                reward += 1
        return reward, self.time == (DROPS - 1) * GAP + SIZE - 1

    def observe(self) -> np.ndarray:
        picture = np.full([SIZE, SIZE, 3], GROUND, np.uint8)
        for drop, column in enumerate(self.columns):
            if 0 <= self.time - drop * GAP < SIZE:
                picture[self.time - drop * GAP, column] = DROP
        picture[SIZE - 1, self.paddle] = PADDLE
        return picture


def test_it_does_what_its_rules_say() -> None:
    episodes, caught = play.agrees(Catch(7, size=SIZE, drops=DROPS, gap=GAP), Slow)
    assert episodes == 7 * (150 // 14)
    assert caught > 0


@pytest.mark.parametrize(("size", "gap"), [(10, 4), (5, 1)])
def test_who_goes_to_the_next_drop_catches_them_all(size: int, gap: int) -> None:
    world = Catch(64, size=size, drops=10, gap=gap)
    state, _ = world.reset(tf.range(64, dtype=tf.int64) * 4)
    total = np.zeros(64)
    for _ in range(world.max_steps):
        rows = state["time"].numpy()[:, None] - np.arange(10) * gap
        next_drop = (rows >= size - 1).sum(1)
        target = state["columns"].numpy()[np.arange(64), next_drop]
        state, transition = world.step(state, tf.constant(np.sign(target - state["paddle"].numpy()) + 1, tf.int32))
        total += transition.reward.numpy()
    assert total.tolist() == [10.0] * 64
    assert transition.terminated.numpy().all()
    assert not transition.truncated.numpy().any()
