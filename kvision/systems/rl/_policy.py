"""Distributions over actions, by what a policy network says: to draw from, and to learn by.

Discrete actions are drawn by the Gumbel trick from the uniform numbers that they are given, so that a draw is a function of its seed alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import keras
import tensorflow as tf

from kvision.systems.rl import _bodies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.data.environments.spaces import Spaces
    from kvision.systems.rl._collector import Draw

LAST_GAIN = 0.01
"""Of the layer that names actions: all of them are about as likely at first."""


class Distribution(Protocol):
    """Over the actions of one environment."""

    def head(self, x: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """The outputs of a policy network with features `[B, D]`."""
        ...

    def sample(self, said: Mapping[str, tf.Tensor], draw: Draw) -> tf.Tensor:
        """Actions `[N, *action_shape]`, of the outputs `[N, ...]`."""
        ...

    def mode(self, said: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The likeliest actions `[B, *action_shape]`, as the environment takes them."""
        ...

    def log_prob(self, said: Mapping[str, tf.Tensor], action: tf.Tensor) -> tf.Tensor:
        """Of each action `[B]`, nats."""
        ...

    def entropy(self, said: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Of each distribution `[B]`, nats."""
        ...

    def taken(self, action: tf.Tensor) -> tf.Tensor:
        """What the environment is given for a drawn action: quantities are clipped to their bounds."""
        ...


@dataclass(frozen=True)
class Categorical:
    """One discrete action, or several that are chosen independently: the log-probabilities of the parts add up."""

    sizes: tuple[int, ...]

    def head(self, x: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """`logits` float32 `[B, A]`, of several actions one after the other."""
        return {"logits": keras.layers.Activation("linear", dtype="float32", name="float")(_bodies.dense(sum(self.sizes), LAST_GAIN, "logits")(x))}

    def sample(self, said: Mapping[str, tf.Tensor], draw: Draw) -> tf.Tensor:
        """Int32 `[N]`, or `[N, D]` of several."""
        return self._argmax(said["logits"] + draw.gumbel([sum(self.sizes)]))

    def mode(self, said: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The actions of the largest logits."""
        return self._argmax(said["logits"])

    def log_prob(self, said: Mapping[str, tf.Tensor], action: tf.Tensor) -> tf.Tensor:
        """The sum over the parts."""
        actions = [action] if len(self.sizes) == 1 else tf.unstack(action, axis=-1)
        parts = zip(self._parts(said["logits"]), actions, self.sizes, strict=True)
        return tf.add_n([tf.reduce_sum(tf.nn.log_softmax(logits) * tf.one_hot(chosen, size), -1) for logits, chosen, size in parts])

    def entropy(self, said: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The sum over the parts."""
        return tf.add_n([-tf.reduce_sum(tf.nn.softmax(logits) * tf.nn.log_softmax(logits), -1) for logits in self._parts(said["logits"])])

    def taken(self, action: tf.Tensor) -> tf.Tensor:
        """The same."""
        return action

    def _argmax(self, logits: tf.Tensor) -> tf.Tensor:
        chosen = [tf.argmax(part, -1, tf.int32) for part in self._parts(logits)]
        return chosen[0] if len(chosen) == 1 else tf.stack(chosen, axis=-1)

    def _parts(self, logits: tf.Tensor) -> list[tf.Tensor]:
        return [logits] if len(self.sizes) == 1 else tf.split(logits, list(self.sizes), axis=-1)


@dataclass(frozen=True)
class Gaussian:
    """Independent normal distributions whose deviation does not depend on the state (Huang et al. 2022, details of continuous control 1 to 4)."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    first_log_std: float = 0.0

    def head(self, x: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
        """`mean` and `log_std` float32 `[B, D]`."""
        mean = keras.layers.Activation("linear", dtype="float32", name="float")(_bodies.dense(len(self.low), LAST_GAIN, "mean")(x))
        return {"mean": mean, "log_std": Constant(self.first_log_std, dtype="float32", name="log_std")(mean)}

    def sample(self, said: Mapping[str, tf.Tensor], draw: Draw) -> tf.Tensor:
        """Float32 `[N, D]`, not clipped."""
        return said["mean"] + tf.exp(said["log_std"]) * draw.normal([len(self.low)])

    def mode(self, said: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """The mean, clipped."""
        return self.taken(said["mean"])

    def log_prob(self, said: Mapping[str, tf.Tensor], action: tf.Tensor) -> tf.Tensor:
        """Of the action before it is clipped."""
        z = (action - said["mean"]) * tf.exp(-said["log_std"])
        return -tf.reduce_sum(0.5 * tf.square(z) + said["log_std"] + 0.5 * math.log(2 * math.pi), -1)

    def entropy(self, said: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Of the distribution that is not clipped."""
        return tf.reduce_sum(said["log_std"] + 0.5 * math.log(2 * math.pi * math.e), -1)

    def taken(self, action: tf.Tensor) -> tf.Tensor:
        """Clipped to the bounds."""
        return tf.clip_by_value(action, list(self.low), list(self.high))


@keras.saving.register_keras_serializable("kvision")
class Constant(keras.layers.Layer):
    """A trained row that is the same for all examples.

    Args:
        first: Its first value.
        **kwargs: Of every Keras layer.
    """

    def __init__(self, first: float = 0.0, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.first = first

    def build(self, shape: tuple[int, ...]) -> None:
        """A row as wide as the input."""
        self.row = self.add_weight(shape=(shape[-1],), initializer=keras.initializers.Constant(self.first), name="row")

    def call(self, like: tf.Tensor) -> tf.Tensor:
        """The row for each example of `like` `[B, D]`."""
        return keras.ops.zeros_like(like) + self.row

    def get_config(self) -> dict[str, object]:
        """With `first`."""
        return {**super().get_config(), "first": self.first}


def choose(spaces: Spaces) -> Distribution:
    """The distribution that fits an environment's actions."""
    return Categorical(spaces.actions) if spaces.discrete else Gaussian(spaces.low, spaces.high)
