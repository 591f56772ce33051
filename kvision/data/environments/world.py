"""Environments written in TensorFlow: whole rollouts of them stay inside the graph."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow as tf

from kvision.data.environments.environment import Environment, State, Transition, next_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from kvision.data.environments.spaces import Spaces


class World(Environment):
    """N lanes of a pure function of state and action.

    Args:
        num: N.
        spaces: What a lane shows and takes.
        max_steps: Steps after which an episode is cut off.
    """

    OWN: ClassVar[tuple[str, ...]] = ("seed", "time")
    """Names of the state that are kept here: the seed of the episode and the steps since its start, both int64 `[N]`."""

    def __init__(self, num: int, spaces: Spaces, max_steps: int) -> None:
        self.num = num
        self.spaces = spaces
        self.max_steps = max_steps

    @abc.abstractmethod
    def begin(self, seeds: tf.Tensor) -> State:
        """The state that episodes of these seeds int64 `[N]` start from, without `seed` and `time`."""

    @abc.abstractmethod
    def observe(self, state: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """What the lanes show, `[N, *observation_shape]` of the type that `spaces` says."""

    @abc.abstractmethod
    def advance(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        """One step, without regard to time limits.

        Args:
            state: With `seed` and `time` (of the step that begins), from which stateless random operations are to draw.
            actions: `[N, *action_shape]`.

        Returns:
            The new state (`seed` and `time` may be left out), rewards float32 `[N]`, and bool `[N]` where the episode is over.
        """

    @abc.abstractmethod
    def render(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """The picture uint8 `[H, W, 3]` of one lane, of its state as arrays without the lanes' axis."""

    def reset(self, seeds: tf.Tensor) -> tuple[State, tf.Tensor]:
        """Begins an episode on each lane, see `Environment.reset`."""
        state = self._first(tf.cast(seeds, tf.int64))
        return state, self.observe(state)

    def step(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, Transition]:
        """Acts on each lane, see `Environment.step`."""
        after, reward, terminated = self.advance(state, actions)
        after = {**after, "seed": state["seed"], "time": state["time"] + 1}
        truncated = ~terminated & (after["time"] >= self.max_steps)
        over = terminated | truncated
        first = self._first(next_seed(state["seed"]))
        following = {name: _choose(over, first[name], value) for name, value in after.items()}
        final = self.observe(after)
        shown = _choose(over, self.observe(first), final)
        return following, Transition(shown, tf.cast(reward, tf.float32), terminated, truncated, final)

    def _first(self, seeds: tf.Tensor) -> State:
        return {**self.begin(seeds), "seed": seeds, "time": tf.zeros_like(seeds)}


def _choose(where: tf.Tensor, first: Any, second: Any) -> tf.Tensor:
    """`first` on the lanes where it holds, else `second`, both `[N, ...]`."""
    return tf.where(tf.reshape(where, [-1] + [1] * (len(second.shape) - 1)), first, second)
