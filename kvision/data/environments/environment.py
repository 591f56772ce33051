"""The seam between environments and agents: lanes of one environment that are stepped together, inside a graph."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import tensorflow as tf

    from kvision.core.errors import KvisionError
    from kvision.data.environments.dynamics import Dynamics
    from kvision.data.environments.spaces import Spaces

State = dict[str, "tf.Tensor"]
Seed = TypeVar("Seed", int, np.ndarray, "tf.Tensor")
STREAMS = {"train": 0, "val": 1, "test": 2}
"""Seeds are 4 h + stream, so those of training, validation and test never meet."""
_RANGE = 2**29


def next_seed(seed: Seed) -> Seed:
    """The seed of the episode that follows one on its lane: of 2**29 in each stream it comes back to the first after all others.

    Args:
        seed: Of an episode, int64.

    Returns:
        Another one of the same stream, by a linear congruential generator of full period.
    """
    return (seed // 4 * 1664525 + 1013904223) % _RANGE * 4 + seed % 4


def first_seeds(stream: str, seed: int, count: int) -> np.ndarray:
    """Seeds of episodes, int64 `[count]`.

    Args:
        stream: `train`, `val` or `test`.
        seed: What they depend on beside.
        count: How many.

    Returns:
        The seeds; the first ones do not depend on how many are asked for.
    """
    number = STREAMS[stream]
    return np.random.default_rng([seed, number]).integers(0, _RANGE, count, np.int64) * 4 + number


class Transition(NamedTuple):
    """What a step of N lanes leads to.

    Attributes:
        observation: `[N, ...]`, what the next action is for: of a lane whose episode ended, the first one of the next episode.
        reward: float32 `[N]`.
        terminated: bool `[N]`, the episode ended in a state from which nothing more is to be had.
        truncated: bool `[N]`, the episode was cut off, by a time limit for example; what would have followed counts.
        final_observation: `[N, ...]`, what the step itself led to; `observation` where no episode ended.
    """

    observation: tf.Tensor
    reward: tf.Tensor
    terminated: tf.Tensor
    truncated: tf.Tensor
    final_observation: tf.Tensor


class Environment(abc.ABC):
    """N lanes of one environment.

    Attributes:
        num: N.
        spaces: What a lane shows and takes.
    """

    num: int
    spaces: Spaces
    fault: KvisionError | None = None
    """What went wrong in a lane; the graph that stepped it has failed."""

    @abc.abstractmethod
    def reset(self, seeds: tf.Tensor) -> tuple[State, tf.Tensor]:
        """Begins an episode on each lane.

        Args:
            seeds: int64 `[N]`; an episode is a function of its seed and its actions.

        Returns:
            The state, tensors `[N, ...]` by name, empty where it is on the host; and the first observations `[N, ...]`.
        """

    @abc.abstractmethod
    def step(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, Transition]:
        """Acts on each lane; where an episode ends the next one begins in the same step, with `next_seed` of its seed.

        Args:
            state: As `reset` or the last step gave it.
            actions: `[N, *action_shape]`.

        Returns:
            The new state, and what the actions led to.
        """

    def host_state(self) -> dict[str, Any]:
        """The state that is not in tensors, by name, as things that are read (`numpy`) and assigned like variables."""
        return {}

    def close(self) -> None:  # noqa: B027 - most have none
        """Ends processes and windows, if there are any."""


class Maker(abc.ABC):
    """What a source of an environment hands out.

    Attributes:
        name: Of the environment, such as `CartPole-v1`.
        spaces: What a lane shows and takes.
        threshold: The mean return from which on it counts as solved; none: nobody says.
        fps: Frames a second that its films are shown with.
        device_id: What a device makes it by with Gymnasium alone; empty: it can't.
    """

    name: str
    spaces: Spaces
    threshold: float | None = None
    fps: float = 10.0
    device_id: str = ""

    @abc.abstractmethod
    def make(self, num: int, *, render: bool = False) -> Environment:
        """Lanes of it; `render`: `picture` will be asked for."""

    @abc.abstractmethod
    def picture(self, environment: Environment, state: Mapping[str, Any], lane: int) -> np.ndarray:
        """A lane as it stands, for people.

        Args:
            environment: Made with `render`.
            state: Its state as numpy arrays.
            lane: Which one.

        Returns:
            uint8 `[H, W, 3]`.

        Raises:
            UsageError: If it can't be drawn here; says what to install.
        """

    def dynamics(self) -> Dynamics | None:
        """Its transition probabilities where they are known."""
        return None
