"""The observations that a policy comes to: what an agent's predictions, its exported files and their calibration are looked at on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.systems.rl import _play

if TYPE_CHECKING:
    from kvision.data.environments.environment import Environment

STREAM = 1_000_211
"""Keeps which observations are kept apart from all other draws."""


def visited(environment: Environment, policy: _play.Policy, seeds: tf.Tensor, each: int) -> tf.Tensor:
    """Observations of episodes, each of which is as likely to be among them: reservoir sampling (Vitter 1985, algorithm R).

    A lane whose episode is over goes on with the next one while others are not, or fewer steps were made than observations are asked for; so all of
    them are of different steps.

    Args:
        environment: N lanes.
        policy: What acts.
        seeds: int64 `[N]`, of the first episodes.
        each: K, how many of each lane.

    Returns:
        `[N * K, ...]`, those of a lane behind one another.
    """
    state, observation = environment.reset(seeds)
    kept = tf.TensorArray(
        observation.dtype, each + 1, element_shape=observation.shape, clear_after_read=False
    )  # the last one is for what is not kept

    def body(time: tf.Tensor, going: tf.Tensor, at: tuple, kept: tf.TensorArray) -> tuple:
        drawn = tf.random.stateless_uniform([], tf.stack([STREAM, time]), 0, time + 1, tf.int32)
        kept = kept.write(tf.where(time < each, time, tf.minimum(drawn, each)), at[1])
        action, remembered = policy.decide(at[1], at[2])
        state, found = environment.step(at[0], action)
        over = found.terminated | found.truncated
        remembered = {name: tf.where(over[:, None], tf.zeros_like(each), each) for name, each in remembered.items()}
        return time + 1, going & ~over, (state, found.observation, remembered), kept

    def wanted(time: tf.Tensor, going: tf.Tensor, *_: object) -> tf.Tensor:
        return (time < each) | (tf.reduce_any(going) & (time < _play.LONGEST))

    first = (tf.constant(0), tf.fill([environment.num], True), (state, observation, policy.first(environment.num)), kept)
    kept = tf.while_loop(wanted, body, first, parallel_iterations=1)[-1]
    lanes = tf.transpose(kept.gather(tf.range(each)), [1, 0, *range(2, observation.shape.rank + 1)])
    return tf.reshape(lanes, [environment.num * each, *observation.shape[1:]])
