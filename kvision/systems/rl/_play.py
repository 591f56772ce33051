"""Plays whole episodes, each known by its seed, with a policy that does not explore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.data.environments.environment import Environment

Remembered = dict[str, "tf.Tensor"]
"""What a policy keeps of the episodes of N lanes, `[N, ...]` by name; zeros at their beginning, and empty where nothing is kept."""
LONGEST = 100_000
"""Steps after which an episode counts as over, for environments that have no time limit."""


class Policy(Protocol):
    """What plays: an agent, or a `Reflex`."""

    def first(self, num: int) -> Remembered:
        """What is remembered at the beginning of an episode on each of N lanes."""
        ...

    def decide(self, observation: tf.Tensor, remembered: Remembered) -> tuple[tf.Tensor, Remembered]:
        """Actions `[N, ...]` for observations `[N, ...]`, and what is remembered then."""
        ...


@dataclass(frozen=True)
class Reflex:
    """A policy that remembers nothing.

    Attributes:
        act: From observations `[N, ...]` to actions.
    """

    act: Callable[[tf.Tensor], tf.Tensor]

    def first(self, num: int) -> Remembered:
        """Nothing."""
        del num
        return {}

    def decide(self, observation: tf.Tensor, remembered: Remembered) -> tuple[tf.Tensor, Remembered]:
        """What `act` says."""
        return self.act(observation), remembered


def episodes(environment: Environment, policy: Policy, seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Plays one episode on each lane to its end.

    Args:
        environment: N lanes.
        policy: What acts.
        seeds: int64 `[N]`.

    Returns:
        Returns float32 `[N]`, and lengths int32 `[N]`.
    """
    state, observation = environment.reset(seeds)
    zeros = tf.zeros([environment.num])

    def body(time: tf.Tensor, going: tf.Tensor, at: tuple, total: tf.Tensor, length: tf.Tensor) -> tuple:
        action, remembered = policy.decide(at[1], at[2])
        state, found = environment.step(at[0], action)
        total += tf.where(going, found.reward, 0.0)
        length += tf.cast(going, tf.int32)
        return time + 1, going & ~(found.terminated | found.truncated), (state, found.observation, remembered), total, length

    first = (tf.constant(0), tf.fill([environment.num], True), (state, observation, policy.first(environment.num)), zeros, tf.cast(zeros, tf.int32))
    *_, total, length = tf.while_loop(lambda time, going, *_: tf.reduce_any(going) & (time < LONGEST), body, first, parallel_iterations=1)
    return total, length
