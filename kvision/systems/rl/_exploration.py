"""Exploration by chance: how often an agent that learns values acts at random, and its choice."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pydantic import Field

from kvision.core.schema import Probability, Recipe, Section

if TYPE_CHECKING:
    import tensorflow as tf

    from kvision.data.episodes import EpisodeOptions


class ExplorationOptions(Section):
    """The share of random actions: it falls along a line at first, and then stays."""

    start: Probability = Field(1.0, description="Share of random actions at the start.")
    end: Probability = Field(0.05, description="Share of random actions in the end; the same as `start`: it never changes.")
    fraction: Probability = Field(0.5, description="Part of the run's environment steps over which it falls.")


def run_steps(recipe: Recipe) -> int:
    """Environment steps of a whole run."""
    data, train = cast("EpisodeOptions", recipe.data), recipe.train
    whole = train.epochs * (data.steps // data.batch)
    return min(whole, train.steps or whole) * data.batch


def epsilon(step: tf.Tensor, options: ExplorationOptions, total: int) -> tf.Tensor:
    """The share of random actions.

    Args:
        step: Environment steps so far, whole numbers of any shape.
        options: From where to where it goes.
        total: Environment steps of the run, see `run_steps`.

    Returns:
        float32, as `step` is shaped.

    References:
        Mnih et al. 2015, doi 10.1038/nature14236, extended data table 1: a linear fall over the first steps.
    """
    import tensorflow as tf

    falling = options.fraction * total
    done = tf.minimum(tf.cast(step, tf.float64) / falling, 1.0) if falling else tf.ones_like(step, tf.float64)
    return tf.cast(options.start + done * (options.end - options.start), tf.float32)


def epsilon_greedy(q_values: tf.Tensor, share: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """The best action of each lane (of equal ones the first), or with some probability any action, the best one among them.

    Args:
        q_values: `[N, A]`.
        share: Probability of a random action, scalar.
        uniform: Numbers in [0, 1), `[N, 2]`: whether it is random, and which it is then.

    Returns:
        int32 `[N]`.
    """
    import tensorflow as tf

    actions = q_values.shape[-1]
    drawn = tf.minimum(tf.cast(uniform[:, 1] * actions, tf.int32), actions - 1)
    return tf.where(uniform[:, 0] < share, drawn, tf.argmax(q_values, -1, tf.int32))
