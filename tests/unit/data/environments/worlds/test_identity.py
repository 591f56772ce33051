from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kvision.data.environments.worlds.identity import Identity
from tests.unit.data.environments.worlds import play

CHOICES, DIMS, LIMIT = 3, 2, 5


def slow(kind: str) -> type:
    class Slow:
        def __init__(self, seed: int) -> None:
            self.seed, self.time = seed, 0

        def shown(self) -> list[float]:
            if kind == "continuous":
                return [2 * play.uniform(self.seed, self.time, place) - 1 for place in range(DIMS)]
            return [play.integer(self.seed, self.time, place, CHOICES) for place in range(DIMS if kind == "several" else 1)]

        def observe(self) -> Any:
            if kind == "index":
                return np.int32(self.shown()[0])
            if kind == "continuous":
                return np.float32(self.shown())
            return np.concatenate([np.eye(CHOICES, dtype=np.float32)[int(number)] for number in self.shown()])

        def advance(self, action: Any) -> tuple[float, bool]:
            said, shown = np.atleast_1d(action), self.shown()
            self.time += 1
            if kind == "continuous":
                return float(np.mean([max(0.0, 1 - abs(a - s)) for a, s in zip(said, shown, strict=True)])), False
            return float(np.mean([a == s for a, s in zip(said, shown, strict=True)])), False

    return Slow


@pytest.mark.parametrize("kind", ["index", "one_hot", "several", "continuous"])
def test_it_does_what_its_rules_say(kind: Any) -> None:
    world = Identity(6, kind=kind, choices=CHOICES, dims=DIMS, max_steps=LIMIT)
    episodes, rewards = play.agrees(world, slow(kind), steps=100)
    assert episodes == 6 * 20
    chance = {"continuous": 5 / 12}.get(kind, 1 / 3)  # of the distance d of two uniform numbers: the integral of (1 - d)(2 - d) / 2 from 0 to 1
    assert rewards / 600 == pytest.approx(chance, abs=0.06)


def test_continuous_actions_have_the_bounds_of_what_is_shown() -> None:
    spaces = Identity(1, kind="continuous", choices=2, dims=3, max_steps=1).spaces
    assert (spaces.low, spaces.high, spaces.observation_shape) == ((-1.0,) * 3, (1.0,) * 3, (3,))
    assert not spaces.discrete
