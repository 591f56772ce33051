"""Running mean and variance, of observations as a layer of the network, so that they are saved and exported with it; and of returns."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kvision.engine import replica, rows

EPSILON = 1e-8


def merged(mean: Any, variance: Any, count: Any, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Moments of two sets of numbers together.

    Args:
        mean: Of those seen so far, `[...]`.
        variance: Likewise.
        count: How many they were, scalar.
        values: More of them, `[B, ...]`; on several replicas each gives its part.

    Returns:
        Mean, variance and count of all.

    References:
        Chan, Golub and LeVeque 1979, eq. 2.1.
    """
    number, first, second = tf.cast(tf.shape(values)[0], tf.float32), tf.reduce_sum(values, 0), tf.reduce_sum(tf.square(values - mean), 0)
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        number, first, second = context.all_reduce(tf.distribute.ReduceOp.SUM, [number, first, second])
    total = count + number
    delta = (first - number * mean) / total
    return mean + delta, (variance * count + second) / total - tf.square(delta), total


@keras.saving.register_keras_serializable("kvision")
class RunningNormalization(keras.layers.Layer):
    """Subtracts the running mean, divides by the running deviation, and clips (Huang et al. 2022, details of continuous control 5 and 6).

    Args:
        clip: Largest absolute value that it gives.
        **kwargs: Of every Keras layer.
    """

    def __init__(self, clip: float = 10.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.clip = clip

    def build(self, shape: Any) -> None:
        """Mean 0 and variance 1 of nothing seen yet."""
        self.mean = self.add_weight(shape=shape[1:], initializer="zeros", trainable=False, name="moving_mean")
        self.variance = self.add_weight(shape=shape[1:], initializer="ones", trainable=False, name="moving_variance")
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")

    def call(self, values: Any) -> Any:
        """The same numbers, normalised."""
        scaled = (keras.ops.cast(values, self.compute_dtype) - self.mean) * keras.ops.rsqrt(self.variance + EPSILON)
        return keras.ops.clip(scaled, -self.clip, self.clip)

    def see(self, values: tf.Tensor) -> None:
        """Takes observations `[B, ...]` into account; in replica context."""
        found = merged(self.mean.value, self.variance.value, self.count.value, tf.cast(values, tf.float32))
        for variable, value in zip((self.mean, self.variance, self.count), found, strict=True):
            replica.assign(variable, value)

    def get_config(self) -> dict[str, Any]:
        """With `clip`."""
        return {**super().get_config(), "clip": self.clip}


class Returns:
    """Divides rewards by the running deviation of the discounted return that goes on along each lane (Huang et al. 2022, detail 8).

    Args:
        lanes: N over all replicas.
        gamma: Discount.
        clip: Largest absolute reward that it gives.
    """

    def __init__(self, lanes: int, gamma: float, clip: float = 10.0) -> None:
        self._gamma, self._clip = gamma, clip
        self._total = rows.variable(tf.zeros([lanes]), "total")
        self._moments = [replica.scalar(value, tf.float32, name) for name, value in (("mean", 0.0), ("variance", 1.0), ("count", 1e-4))]

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """Its state by name."""
        return {"reward/total": self._total, **dict(zip(("reward/mean", "reward/variance", "reward/count"), self._moments, strict=True))}

    def normalised(self, reward: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
        """Rewards `[T, n]` with these taken into account; `ends` bool `[T, n]`: where an episode is over."""
        total, totals = rows.mine(self._total), []
        for now, over in zip(tf.unstack(reward), tf.unstack(ends), strict=True):
            totals.append(self._gamma * total + now)
            total = tf.where(over, 0.0, totals[-1])
        replica.assign(self._total, rows.everyones(total))
        mean, variance, count = map(tf.convert_to_tensor, self._moments)
        found = merged(mean, variance, count, tf.reshape(tf.stack(totals), [-1]))
        for variable, value in zip(self._moments, found, strict=True):
            replica.assign(variable, value)
        return tf.clip_by_value(reward * tf.math.rsqrt(found[1] + EPSILON), -self._clip, self._clip)
