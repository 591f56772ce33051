"""What was played, kept to learn from again and again: the replay buffer of off-policy agents.

Paper: Lin 1992, doi 10.1007/BF00992699; Mnih et al. 2015, doi 10.1038/nature14236.
Deviations: every replica keeps all transitions, as every one of them draws from all; at the newest end, sums of rewards are shorter than n steps.
Shapes: N lanes, T steps of a rollout, R rows of N transitions in the buffer, M transitions of a minibatch, G minibatches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from kvision.engine import replica, rows
from kvision.systems.rl._prioritised import Priorities, importance
from kvision.systems.rl._replay_disk import DiskRows, Kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.data.environments.spaces import Spaces
    from kvision.engine.replica import AnyVariable

Transitions = dict[str, tf.Tensor]


class Window(NamedTuple):
    """Steps that follow one another, as one transition.

    Attributes:
        reward: Their discounted sum `[M]`.
        discount: What the value of the state after them counts, `[M]`: 0 where the episode terminated.
        steps: How many they are, int32 `[M]`, at least 1.
    """

    reward: tf.Tensor
    discount: tf.Tensor
    steps: tf.Tensor


def window(r_t: tf.Tensor, terminated: tf.Tensor, truncated: tf.Tensor, behind: tf.Tensor, gamma: float) -> Window:
    """Joins up to n steps: fewer where the episode ends, which must not take rewards of the next one, or where no more have been played.

    Args:
        r_t: Rewards `[M, n]` of n rows of the buffer, one after the other; what lies beyond `behind` is not looked at.
        terminated: bool `[M, n]`.
        truncated: bool `[M, n]`; an episode that was cut off counts on the value of its last state.
        behind: How many later rows there are, int32 `[M]`.
        gamma: Discount of one step.

    Returns:
        The transition that they make.

    References:
        Sutton and Barto 2018, eq. 7.1.
    """
    n = r_t.shape[1]
    over = tf.cast(terminated | truncated, tf.float32)
    counts = tf.math.cumprod(1.0 - over, axis=1, exclusive=True) * tf.cast(tf.range(n) <= behind[:, None], tf.float32)
    reward = tf.reduce_sum(counts * gamma ** tf.range(n, dtype=tf.float32) * r_t, axis=1)
    steps = tf.reduce_sum(counts, axis=1)
    ended = tf.reduce_sum(counts * tf.cast(terminated, tf.float32), axis=1)
    return Window(reward, gamma**steps * (1.0 - ended), tf.cast(steps, tf.int32))


class MemoryRows:
    """The last R rows of N transitions each, in variables.

    Args:
        kinds: Shape and type of each field of a transition.
        lanes: N.
        count: R.
    """

    def __init__(self, kinds: Kinds, lanes: int, count: int) -> None:
        self.kinds = kinds
        self.variables = {name: rows.variable(tf.zeros([count * lanes, *shape], dtype), name) for name, (shape, dtype) in kinds.items()}

    def add(self, places: tf.Tensor, rollout: Mapping[str, tf.Tensor]) -> None:
        """Writes rows `[T, N, ...]` where their numbers say, int32 `[T, N]`."""
        for name, variable in self.variables.items():
            flat = tf.reshape(rollout[name], [-1, *variable.shape[1:]])
            tf.raw_ops.ResourceScatterUpdate(resource=variable.handle, indices=tf.reshape(places, [-1]), updates=flat)

    def gather(self, name: str, places: tf.Tensor) -> tf.Tensor:
        """A field of transitions by their numbers, int32 `[...]`."""
        variable = self.variables[name]
        return tf.raw_ops.ResourceGather(resource=variable.handle, indices=places, dtype=variable.dtype)


class Replay:
    """The last R rows of N transitions each, in a ring; observations keep their type.

    Args:
        spaces: What is observed and done.
        lanes: N, over all replicas.
        capacity: Transitions that are kept; rounded down to whole rows.
        n_step: Steps that a drawn transition goes over, n.
        gamma: Discount of one step.
        priorities: By which to draw; none: all alike.
        on_disk: Whether the rows are in files, and not in memory.
    """

    def __init__(
        self, spaces: Spaces, lanes: int, capacity: int, *, n_step: int, gamma: float, priorities: Priorities | None = None, on_disk: bool = False
    ) -> None:
        self._lanes = lanes
        self._rows = capacity // lanes
        self._n_step = n_step
        self._gamma = gamma
        self._priorities = priorities
        seen, done = (spaces.observation_shape, spaces.observation_dtype), (spaces.action_shape, spaces.action_dtype)
        kinds: Kinds = {"observation": seen, "action": done, "reward": ((), "float32")}
        kinds |= {"terminated": ((), "bool"), "truncated": ((), "bool"), "final_observation": seen}
        self._kept = DiskRows(kinds, lanes, self._rows) if on_disk else MemoryRows(kinds, lanes, self._rows)
        self._played = replica.scalar(0, tf.int64, "rows_played")

    @property
    def variables(self) -> dict[str, AnyVariable]:
        """State by stable name."""
        kept = self._kept.variables if isinstance(self._kept, MemoryRows) else {"rows": self._kept}
        return {**kept, "rows_played": self._played, **(self._priorities.variables if self._priorities else {})}

    @property
    def kinds(self) -> Kinds:
        """Shape and type of each field of a transition."""
        return self._kept.kinds

    @property
    def files(self) -> DiskRows | None:
        """The rows, where they are in files."""
        return self._kept if isinstance(self._kept, DiskRows) else None

    @property
    def size(self) -> tf.Tensor:
        """How many transitions there are, int32."""
        return tf.cast(tf.minimum(tf.convert_to_tensor(self._played), self._rows), tf.int32) * self._lanes

    def add(self, rollout: Mapping[str, tf.Tensor]) -> None:
        """Keeps a rollout, in place of the oldest transitions once the buffer is full.

        Args:
            rollout: Of this replica's n lanes, time-major `[T, n, ...]`, with the names of `Collector.rollout`; T is at most R.
        """
        played = tf.convert_to_tensor(self._played)
        length = rollout["reward"].shape[0]
        row = tf.cast((played + tf.range(length, dtype=tf.int64)) % self._rows, tf.int32)
        places = row[:, None] * self._lanes + tf.range(self._lanes)
        self._kept.add(places, {name: _turned(rows.everyones(_turned(rollout[name]))) for name in self._kept.kinds})
        replica.assign(self._played, played + length)
        if self._priorities is not None:
            self._priorities.add(tf.reshape(places, [-1]))

    def draw(self, count: int, size: int, seed: tf.Tensor, beta: tf.Tensor | float = 1.0) -> Transitions:
        """Draws minibatches, with replacement; the same ones on every replica, which gets its part of each.

        Args:
            count: G.
            size: M, over all replicas.
            seed: int `[2]`, which decides what is drawn.
            beta: How far the weights make up for priorities, 0 to 1.

        Returns:
            `[G, m, ...]` each: `s_tm1`, `a_tm1`, `r_t` and `discount_t` over up to n steps, `s_t`, `weight`, and `place`, the transitions' numbers.
        """
        if self._priorities is None:
            places = tf.random.stateless_uniform([count, size], seed, maxval=self.size, dtype=tf.int32)
            weight = tf.ones([count, size])
        else:
            places, probability = self._priorities.draw(tf.random.stateless_uniform([count, size], seed))
            weight = importance(probability, self.size, tf.convert_to_tensor(beta))
        places, weight = (_turned(rows.mine(_turned(each))) for each in (places, weight))
        found = self.read(tf.reshape(places, [-1]))
        return {name: tf.reshape(value, [*places.shape, *value.shape[1:]]) for name, value in found.items()} | {"weight": weight, "place": places}

    def read(self, places: tf.Tensor) -> Transitions:
        """The transitions of these numbers int32 `[M]`, as `draw` gives them but for their weights."""
        row, lane = places // self._lanes, places % self._lanes
        newest = tf.cast((tf.convert_to_tensor(self._played) - 1) % self._rows, tf.int32)
        path = ((row[:, None] + tf.range(self._n_step)) % self._rows) * self._lanes + lane[:, None]
        r_t, terminated, truncated = (self._kept.gather(name, path) for name in ("reward", "terminated", "truncated"))
        joined = window(r_t, terminated, truncated, (newest - row) % self._rows, self._gamma)
        last = tf.gather(path, joined.steps - 1, batch_dims=1)
        return {
            "s_tm1": self._kept.gather("observation", places),
            "a_tm1": self._kept.gather("action", places),
            "r_t": joined.reward,
            "discount_t": joined.discount,
            "s_t": self._kept.gather("final_observation", last),
        }

    def learnt(self, places: tf.Tensor, error: tf.Tensor) -> None:
        """Notes how wrong the network was.

        Args:
            places: As drawn, int32 `[G, m]`.
            error: Temporal-difference errors `[G, m]`.
        """
        if self._priorities is None:
            return
        everyones = (_turned(rows.everyones(_turned(each))) for each in (places, error))
        self._priorities.change(*(tf.reshape(each, [-1]) for each in everyones))


def _turned(x: tf.Tensor) -> tf.Tensor:
    """The first two axes in each other's place."""
    return tf.transpose(x, [1, 0, *range(2, len(x.shape))])
