"""Plays whole episodes, each known by its seed, with a policy that does not explore."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.data.environments.environment import Environment

LONGEST = 100_000
"""Steps after which an episode counts as over, for environments that have no time limit."""


def episodes(environment: Environment, act: Callable[[tf.Tensor], tf.Tensor], seeds: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Plays one episode on each lane to its end.

    Args:
        environment: N lanes.
        act: From observations `[N, ...]` to actions.
        seeds: int64 `[N]`.

    Returns:
        Returns float32 `[N]`, and lengths int32 `[N]`.
    """
    state, observation = environment.reset(seeds)
    zeros = tf.zeros([environment.num])

    def body(time: tf.Tensor, going: tf.Tensor, at: tuple, total: tf.Tensor, length: tf.Tensor) -> tuple:
        state, found = environment.step(at[0], act(at[1]))
        total += tf.where(going, found.reward, 0.0)
        length += tf.cast(going, tf.int32)
        return time + 1, going & ~(found.terminated | found.truncated), (state, found.observation), total, length

    first = (tf.constant(0), tf.fill([environment.num], True), (state, observation), zeros, tf.cast(zeros, tf.int32))
    *_, total, length = tf.while_loop(lambda time, going, *_: tf.reduce_any(going) & (time < LONGEST), body, first, parallel_iterations=1)
    return total, length
