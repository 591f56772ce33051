"""Environments that go wrong, for tests; workers import this file."""

from __future__ import annotations

import os
import time

import gymnasium
import numpy as np

SPACE = gymnasium.spaces.Box(-100.0, 100.0, (2,), np.float32)


class Faulty(gymnasium.Env):
    """Counts its steps; on the `at`-th of an episode something happens."""

    observation_space = SPACE
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, what: str = "nothing", at: int = 3, render_mode: str | None = None, lane: int = -1) -> None:
        self.what, self.at, self.render_mode, self.count, self.total = what, at, render_mode, 0, 0.0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count, self.total = 0, float(self.np_random.integers(10))
        return self._seen(), {}

    def step(self, action):
        self.count += 1
        self.total += float(action) + float(self.np_random.uniform())
        reward = 1.0
        if self.count == self.at:
            if self.what == "raises":
                raise ZeroDivisionError("the wheel fell off")
            if self.what == "hangs":
                time.sleep(60)
            if self.what == "dies":
                os._exit(1)
            if self.what == "nan reward":
                reward = float("nan")
            if self.what == "nan observation":
                self.total = float("inf")
        return self._seen(), reward, self.count == 5 and action == 1, self.count == 7, {}

    def _seen(self):
        return np.array([self.count, self.total], np.float32)


class Bare(Faulty):
    """Takes nothing, as the first environment that one writes."""

    def __init__(self) -> None:
        super().__init__()


def build(what, render_mode, **options):
    return Faulty(what, render_mode=render_mode, **options)


gymnasium.register("Faulty-v0", entry_point=f"{__name__}:Faulty")
gymnasium.register("Bare-v0", entry_point=f"{__name__}:Bare")
