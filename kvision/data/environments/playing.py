"""Plays whole episodes with any policy and records them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.data.environments.recorded import Recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.data.environments.environment import Maker


def play(maker: Maker, policy: Callable[[np.ndarray], np.ndarray], seeds: np.ndarray) -> Recorded:
    """Plays an episode of each seed to its end, all side by side.

    Args:
        maker: Of the environment.
        policy: From observations `[N, ...]` to actions `[N, *action_shape]`.
        seeds: int64 `[N]`.

    Returns:
        The episodes, numbered from 0 on in the order of the seeds.

    Raises:
        DataError: If the environment fails.
    """
    import tensorflow as tf

    lanes = maker.make(len(seeds))
    try:
        step = tf.function(lanes.step)
        state, observation = lanes.reset(tf.constant(seeds, tf.int64))
        going, rows = np.ones(len(seeds), bool), []
        while going.any():
            action = np.asarray(policy(observation.numpy()), maker.spaces.action_dtype)
            state, found = step(state, tf.constant(action))
            ends = found.terminated.numpy(), found.truncated.numpy()
            rows.append((observation.numpy(), action, found.reward.numpy(), *ends, going.copy()))
            going &= ~(ends[0] | ends[1])
            observation = found.observation
    except tf.errors.OpError as error:
        raise lanes.fault or error from error
    finally:
        lanes.close()
    *columns, played = (np.stack(column, axis=1) for column in zip(*rows, strict=True))  # lanes first, so that episodes follow one another
    observations, actions, rewards, terminated, truncated = (column[played] for column in columns)
    return Recorded(observations, actions, rewards, terminated, truncated, np.nonzero(played)[0])
