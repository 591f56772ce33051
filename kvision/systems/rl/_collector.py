"""Plays an environment on and on: each rollout goes on where the last one stopped."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.data.environments.environment import first_seeds
from kvision.data.environments.world import World
from kvision.engine import replica, rows
from kvision.systems.rl import _phase

if TYPE_CHECKING:
    from kvision.data.environments.environment import Environment, Maker, Transition
    from kvision.engine.replica import AnyVariable
    from kvision.systems.rl._play import Remembered

Rollout = dict[str, "tf.Tensor"]
"""Time-major `[T, n, ...]`: observation (s_tm1), action, reward, terminated, truncated, final_observation (s_t), finished (the return where an
episode ended, else NaN), and what `act` gave beside; where there is a memory also `begun` (1 for an episode's first step), `memory` (before the step)
and `remembered` (after it)."""
RECENT = 100
"""Episodes whose returns are averaged."""


class Draw:
    """Random rows for this replica's lanes: a function of (seed, environment step, lane), however many replicas there are.

    Args:
        seed: Of the run.
        step: Environment steps so far, int64 scalar.
        lanes: N over all replicas.
    """

    def __init__(self, seed: int, step: tf.Tensor, lanes: int) -> None:
        self._seed, self._step, self._lanes = seed, step, lanes
        self._asked = 0

    def uniform(self, shape: list[int]) -> tf.Tensor:
        """Float32 `[n, *shape]` above 0 and below 1."""
        return rows.mine(tf.random.stateless_uniform([self._lanes, *shape], self._key(), minval=1e-7))

    def gumbel(self, shape: list[int]) -> tf.Tensor:
        """Float32 `[n, *shape]` of Gumbel's distribution, the same within an XLA program: only XLA's words are TensorFlow's, its floats are not."""
        words = tf.random.stateless_uniform([self._lanes, *shape], self._key(), None, None, tf.uint32)
        uniform = (tf.cast(tf.bitwise.right_shift(words, tf.constant(8, tf.uint32)), tf.float32) + 0.5) * 2.0**-24
        return rows.mine(-tf.math.log(-tf.math.log(uniform)))

    def normal(self, shape: list[int]) -> tf.Tensor:
        """Float32 `[n, *shape]` of mean 0 and variance 1."""
        return rows.mine(tf.random.stateless_normal([self._lanes, *shape], self._key()))

    def integers(self, high: int, shape: list[int] | None = None) -> tf.Tensor:
        """Int32 `[n, *shape]` from 0 to high - 1."""
        return rows.mine(tf.random.stateless_uniform([self._lanes, *(shape or [])], self._key(), 0, high, tf.int32))

    def _key(self) -> tf.Tensor:
        self._asked += 1
        return tf.stack([tf.constant((self._seed << 8) + self._asked, tf.int64), self._step])


class Collector:
    """The lanes of a training, and where they stand.

    Args:
        maker: Of the environment.
        lanes: N over all replicas.
        seed: Of the run.
        first: What the policy remembers at the beginning of an episode, `[N, ...]`; nothing, or zeros `memory`.

    Attributes:
        steps: Environment steps so far, over all lanes, int64 scalar variable.
    """

    def __init__(self, maker: Maker, lanes: int, seed: int, first: Remembered | None = None) -> None:
        self._lanes, self._seed = lanes, seed
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        self._environments = [maker.make(lanes // replicas) for _ in range(replicas)]
        seeds = first_seeds("train", seed, lanes).reshape(replicas, -1)
        begun = [environment.reset(tf.constant(own)) for environment, own in zip(self._environments, seeds, strict=True)]
        self._state = {name: rows.variable(tf.concat([state[name] for state, _ in begun], 0), name) for name in begun[0][0]}
        self._observation = rows.variable(tf.concat([observation for _, observation in begun], 0), "observation")
        self._return = rows.variable(tf.zeros([lanes]), "return")
        self._length = rows.variable(tf.zeros([lanes], tf.int32), "length")
        self._recent = rows.variable(tf.fill([RECENT], float("nan")), "recent")
        self._remembered = {name: rows.variable(value, name) for name, value in (first or {}).items()}
        self.steps = replica.scalar(0, tf.int64, "steps")

    @property
    def variables(self) -> dict[str, AnyVariable]:
        """Where everything stands, by name, for `System.carried`."""
        own = {"observation": self._observation, "return": self._return, "length": self._length, "recent": self._recent, "steps": self.steps}
        named = {**own, **self._remembered, **{f"state/{name}": each for name, each in self._state.items()}}
        for number, environment in enumerate(self._environments):
            for name, stand in environment.host_state().items():  # after the observations, which it may set anew
                stand.begun = functools.partial(self._begun, number)
                named[f"{name}/{number}"] = stand
        return {f"play/{name}": variable for name, variable in named.items()}

    @property
    def environments(self) -> list[Environment]:
        """One a replica."""
        return self._environments

    @property
    def returns(self) -> tf.Tensor:
        """Mean return of the last hundred episodes, or of so many as there were; NaN before the first is over."""
        return mean_of_recent(self._recent)

    @property
    def episodes(self) -> tf.Tensor:
        """How many of the last hundred episodes there were, float32."""
        return tf.reduce_sum(tf.cast(~tf.math.is_nan(tf.convert_to_tensor(self._recent)), tf.float32))

    @property
    def observation(self) -> tf.Tensor:
        """What this replica's lanes show now, `[n, ...]`."""
        return rows.mine(self._observation)

    def rollout(self, act: Any, length: int, *, compiled: bool = False) -> Rollout:
        """Plays on; in replica context.

        Args:
            act: From observations `[n, ...]`, a `Draw` and, if there is one, the `memory`, to `action` and whatever else is to be kept; `taken`, if
                it is there, is what the environment is given in place of the action, and `remembered` the memory of the next step.
            length: T, steps on each lane.
            compiled: Whether `act` may be part of an XLA program; worlds then play the whole rollout in one.

        Returns:
            What happened.
        """
        before = tf.identity(self.steps)
        lanes = {name: rows.mine(variable) for name, variable in self._state.items()}
        remembered = {name: rows.mine(variable) for name, variable in self._remembered.items()}
        at = (lanes, self.observation, rows.mine(self._return), rows.mine(self._length), remembered)

        def play(at: Any, before: tf.Tensor) -> tuple[Any, Rollout]:
            at, first = self._one(act, before, at)
            arrays = {name: tf.TensorArray(value.dtype, length, element_shape=value.shape).write(0, value) for name, value in first.items()}

            def body(time: tf.Tensor, at: Any, arrays: dict[str, tf.TensorArray]) -> Any:
                at, found = self._one(act, before + tf.cast(time, tf.int64) * self._lanes, at)
                return time + 1, at, {name: array.write(time, found[name]) for name, array in arrays.items()}

            _, at, arrays = tf.while_loop(lambda time, *_: time < length, body, (1, at, arrays))
            return at, {name: array.stack() for name, array in arrays.items()}

        worlds = all(isinstance(environment, World) for environment in self._environments)
        at, rollout = _phase.compiled(play, at, before, wanted=compiled and worlds)
        self._keep(at, rollout["finished"], before + length * self._lanes)
        return rollout

    def _begun(self, number: int, observation: np.ndarray) -> None:
        """New episodes on the lanes `[n, ...]` of an environment; outside of graphs."""
        first = number * len(observation)
        for variable, value in ((self._observation, observation), (self._return, 0.0), (self._length, 0)):
            whole = np.array(variable.numpy())
            whole[first : first + len(observation)] = value
            variable.assign(whole)

    def _one(self, act: Any, step: tf.Tensor, at: Any) -> tuple[Any, Rollout]:
        """One step on each lane, from where they stand (`at`) to where they stand after."""
        state, observation, total, length, remembered = at
        number, _ = rows.place()
        begun = tf.cast(tf.equal(length, 0), tf.float32)
        before = {name: each * (1.0 - begun[:, None]) for name, each in remembered.items()}
        chosen = dict(act(observation, Draw(self._seed, step, self._lanes), **before))
        taken = chosen.pop("taken", chosen["action"])
        state, found = self._environments[number].step(state, taken)
        over = found.terminated | found.truncated
        total, length = total + found.reward, length + 1
        kept = {"observation": observation, **chosen, **_kept(found), "finished": tf.where(over, total, float("nan"))}
        if before:
            kept |= {**before, "begun": begun}
        remembered = dict.fromkeys(before, chosen.get("remembered"))
        return (state, found.observation, tf.where(over, 0.0, total), tf.where(over, 0, length), remembered), kept

    def _keep(self, at: Any, finished: tf.Tensor, steps: tf.Tensor) -> None:
        """Remembers where the lanes stand, and the returns `[T, n]` of episodes that ended (others are NaN)."""
        state, observation, total, length, remembered = at
        pairs = [(self._state[name], value) for name, value in state.items()]
        pairs += [(self._remembered[name], value) for name, value in remembered.items()]
        pairs += [(self._observation, observation), (self._return, total), (self._length, length)]
        for variable, value in pairs:
            replica.assign(variable, rows.everyones(value))
        known = rows.everyones(tf.transpose(tf.cast(~tf.math.is_nan(finished), tf.int32)))
        values = rows.everyones(tf.transpose(tf.where(tf.math.is_nan(finished), 0.0, finished)))
        in_time = [tf.reshape(tf.transpose(each), [-1]) for each in (values, known)]
        ended = tf.boolean_mask(in_time[0], in_time[1] > 0)
        replica.assign(self._recent, tf.concat([tf.convert_to_tensor(self._recent), ended], 0)[-RECENT:])
        replica.assign(self.steps, steps)


def mean_of_recent(returns: tf.Variable) -> tf.Tensor:
    """The mean of those that are not NaN; NaN if there are none."""
    recent = tf.convert_to_tensor(returns)
    known = ~tf.math.is_nan(recent)
    return tf.reduce_sum(tf.where(known, recent, 0.0)) / tf.reduce_sum(tf.cast(known, tf.float32))


def _kept(found: Transition) -> Rollout:
    """What a rollout keeps of a transition."""
    return {
        "reward": found.reward,
        "terminated": found.terminated,
        "truncated": found.truncated,
        "final_observation": found.final_observation,
    }
