"""The exact model of an environment with few states: what planning knows at once, and what policies are measured against without sampling."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Table = Mapping[int, Mapping[int, Sequence[tuple[float, int, float, bool]]]]
    """Of each state and action what may follow: probability, next state, reward, and whether the episode ends there."""


@dataclass(frozen=True, eq=False)
class Dynamics:
    """A finite Markov decision process of S states and A actions.

    Attributes:
        transitions: Probability of each next state, float64 `[S, A, S]`; a terminal state leads to itself.
        rewards: Expected reward of each transition, float64 `[S, A, S]`.
        terminal: Where episodes end, bool `[S]`.
        start: Probability that an episode begins there, float64 `[S]`.
        max_steps: Steps after which an episode is cut off; none: it may go on for ever.
        grid: Rows and columns, where state `row * columns + column` is a cell of a map; none: states are no places.
    """

    transitions: np.ndarray
    rewards: np.ndarray
    terminal: np.ndarray
    start: np.ndarray
    max_steps: int | None = None
    grid: tuple[int, int] | None = None

    @property
    def num_states(self) -> int:
        """S."""
        return self.transitions.shape[0]

    @property
    def num_actions(self) -> int:
        """A."""
        return self.transitions.shape[1]

    @cached_property
    def expected(self) -> np.ndarray:
        """Expected reward of each state and action, `[S, A]`; 0 where the episode is over."""
        return (self.transitions * self.rewards).sum(2) * ~self.terminal[:, None]

    @cached_property
    def continuing(self) -> np.ndarray:
        """Probability that the episode goes on, and in which state, `[S, A, S]`: rows add up to less than 1 where it may end."""
        return self.transitions * ~self.terminal[:, None, None] * ~self.terminal

    @cached_property
    def reachable(self) -> np.ndarray:
        """Where an episode can come to, bool `[S]`."""
        found, leads = self.start > 0, (self.transitions > 0).any(1) & ~self.terminal[:, None]
        while True:
            further = found | leads[found].any(0)
            if (further == found).all():
                return found
            found = further


def from_gymnasium(env: Any) -> Dynamics | None:
    """The model that an environment of Gymnasium's `toy_text` carries with it.

    Args:
        env: FrozenLake, CliffWalking, Taxi or another one with a table `env.unwrapped.P`, in wrappers that leave states and rewards alone.

    Returns:
        Its dynamics, with the time limit of `env.spec`; none: the environment has no such table.

    Raises:
        DataError: If the table's probabilities do not add up to 1, or the end of an episode is no matter of the state that it ends in.
    """
    table, start = (getattr(env.unwrapped, name, None) for name in ("P", "initial_state_distrib"))
    if table is None or start is None:
        return None
    name = "the environment" if env.spec is None else env.spec.id
    transitions, gains, ending = _sums(table)
    total, terminal = transitions.sum(2), np.asarray(ending.any((0, 1)))
    if not np.allclose(total, 1.0):
        state, action = np.unravel_index(np.abs(total - 1.0).argmax(), total.shape)
        raise DataError(f"{name}: what follows action {action} in state {state} has probabilities that add up to {total[state, action]:g}, not 1")
    rewards = np.divide(gains, transitions, out=np.zeros_like(gains), where=transitions > 0)
    transitions[terminal], rewards[terminal] = np.eye(len(table))[terminal][:, None], 0.0
    max_steps = None if env.spec is None else env.spec.max_episode_steps
    found = Dynamics(transitions, rewards, terminal, np.asarray(start, np.float64), max_steps, _grid(env.unwrapped, len(table)))
    odd = np.argwhere((ending != transitions * terminal)[found.reachable & ~terminal])
    if len(odd):
        raise DataError(
            f"{name}: state {odd[0, 2]} ends the episode after some transitions and not after others; a state must always end it, or never"
        )
    return found


def _sums(table: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each transition `[S, A, S]` the probability, and what of it is reward, and what of it ends the episode."""
    states, actions = len(table), len(table[0])
    transitions, gains = np.zeros([2, states, actions, states])
    ending = np.zeros_like(transitions)
    for state, by_action in table.items():
        for action, outcomes in by_action.items():
            for probability, following, reward, ends in outcomes:
                transitions[state, action, following] += probability
                gains[state, action, following] += probability * reward
                ending[state, action, following] += probability * ends
    return transitions, gains, ending


def _grid(env: Any, states: int) -> tuple[int, int] | None:
    """Rows and columns of the environment's map, if its cells are the states."""
    shape = getattr(env, "shape", None) or getattr(getattr(env, "desc", None), "shape", None)
    return (int(shape[0]), int(shape[1])) if shape is not None and len(shape) == 2 and shape[0] * shape[1] == states else None
