"""What `rl.py` measures, and how a worker tells it; standard library only, for workers run in other environments."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ENVIRONMENT, THRESHOLD, EPISODES = "CartPole-v1", 475.0, 100
"""Gymnasium's own pass mark: the mean return of so many episodes one after the other, while training."""


@dataclass(frozen=True)
class Ppo:
    """Settings of proximal policy optimisation; separate networks of policy and values, tanh, orthogonal weights, Adam with epsilon 1e-5."""

    envs: int
    rollout: int
    epochs: int
    minibatch: int
    lr: float
    falling: bool
    """Whether learning rate and clipping fall to 0 in a straight line."""
    gamma: float
    lambda_: float
    clip: float = 0.2
    entropy: float = 0.0
    value_weight: float = 0.5
    clip_norm: float = 0.5
    hidden: tuple[int, ...] = (64, 64)


@dataclass(frozen=True)
class Dqn:
    """Settings of deep Q-learning; ReLU, Adam, Huber loss; the target network is as it was before a round of updates."""

    envs: int
    lr: float
    minibatch: int
    replay: int
    warmup: int
    gamma: float
    every: int
    """Environment steps between two rounds of updates."""
    updates: int
    """Updates of a round."""
    explored: float
    """Share of the run over which epsilon falls from 1 to `epsilon`."""
    epsilon: float
    clip_norm: float = 10.0
    hidden: tuple[int, ...] = (256, 256)


ZOO_DQN = Dqn(envs=1, lr=2.3e-3, minibatch=64, replay=100_000, warmup=1000, gamma=0.99, every=256, updates=128, explored=0.16, epsilon=0.04)
TASKS: dict[str, Ppo | Dqn] = {
    "ppo": Ppo(envs=8, rollout=32, epochs=20, minibatch=256, lr=1e-3, falling=True, gamma=0.98, lambda_=0.8),
    "ppo-defaults": Ppo(envs=1, rollout=2048, epochs=10, minibatch=64, lr=3e-4, falling=False, gamma=0.99, lambda_=0.95),
    "dqn": replace(ZOO_DQN, envs=8),
    "dqn-one-env": ZOO_DQN,
}
"""RL-Zoo3's for CartPole-v1 (`hyperparams/ppo.yml`, `dqn.yml`), DQN also with eight environments, and the defaults of stable-baselines3's PPO."""


@dataclass
class Progress:
    """The clock of one run: begins when everything is made, and hears of the returns as they come."""

    steps: int = 0
    returned: float = 0.0
    reached_steps: int | None = None
    reached_s: float | None = None
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    prepare_s: float = 0.0
    _begun: float = field(default_factory=time.perf_counter)
    _cpu: float = field(default_factory=time.process_time)

    def heard(self, steps: int, returned: float | None) -> None:
        """Notes the mean return of the last episodes after so many environment steps; none: there were too few episodes."""
        self.steps = steps
        if returned is None:
            return
        self.returned, now = returned, time.perf_counter() - self._begun
        self.curve.append((steps, round(now, 4), round(returned, 2)))
        if returned >= THRESHOLD and self.reached_steps is None:
            self.reached_steps, self.reached_s = steps, now

    def facts(self) -> dict[str, object]:
        """What the run is kept by; the clock stops here."""
        wall, cpu = time.perf_counter() - self._begun, time.process_time() - self._cpu
        own = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return {**own, "wall_s": wall, "cpu_s": cpu, "steps_a_second": self.steps / wall, "steps_a_cpu_second": self.steps / cpu}


def work(run: Callable[[argparse.Namespace], Progress]) -> None:
    """A worker's main: reads what to run from the command line, and prints what was found as one line of JSON.

    Args:
        run: Trains; everything that happens before it makes its `Progress` is told apart, as `prepare_s`.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=list(TASKS))
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--batched", action="store_true", help="of PyTorch: gymnasium's environments that NumPy steps together")
    parser.add_argument("--world", action="store_true", help="of kvision: the same physics in TensorFlow, `data.source: cart_pole`")
    options = parser.parse_args()
    asked = time.perf_counter()
    progress = run(options)
    facts = progress.facts()
    print(json.dumps({**facts, "prepare_s": progress._begun - asked}))
