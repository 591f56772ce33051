"""Averages of the weights, exponential or equal (SWA), and how to evaluate with them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.engine import replica

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import keras


class EMA:
    """A second set of weights that follows the first slowly. Make it inside the strategy's scope, after the networks are built.

    Floating-point weights are averaged, the moving statistics of batch normalisation included; others are copied. The decay of update number
    t (from 0) is `min(decay, (1 + t) / (10 + t))`, so that short runs don't remember their random start. Without a decay it is the equal average of
    the weights after every update from number `start` on (SWA); before, it is the weights themselves.

    References:
        Polyak and Juditsky 1992; the warm-up is that of `tf.train.ExponentialMovingAverage(num_updates=...)`. Izmailov et al. 2018, arXiv 1803.05407,
        algorithm 1, with a cycle of one step, and the average of batch normalisation's statistics in place of another pass over the data.
    """

    def __init__(self, decay: float | None, networks: Sequence[keras.Model], *, start: int = 0) -> None:
        self.decay = decay
        self.start = start
        self._weights = [variable for network in networks for variable in network.weights]
        self._averages = [
            tf.Variable(variable.value, trainable=False, name=f"ema_{i}", aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
            for i, variable in enumerate(self._weights)
        ]
        self._count = replica.scalar(0, tf.int64, "ema_count")

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """State by a name that is the same in every process."""
        return {"ema/count": self._count} | {f"ema/{i:04d}": average for i, average in enumerate(self._averages)}

    def update(self, go: tf.Tensor | bool = True) -> None:
        """Moves the averages toward the weights, in replica context.

        Args:
            go: Whether to; the loop gives `guard.passed(step)`, so that a skipped step leaves the averages as they are.
        """

        def move() -> tf.Tensor:
            count = tf.convert_to_tensor(self._count)
            rest = self._rest(count)
            for average, weight in zip(self._averages, self._weights, strict=True):
                _move(average, weight, rest)
            replica.assign(self._count, count + 1)
            return tf.constant(True)

        tf.cond(tf.convert_to_tensor(go), move, lambda: tf.constant(False))

    def _rest(self, count: tf.Tensor) -> tf.Tensor:
        """The share of the new weights in the average after update number `count`."""
        t = tf.cast(count, tf.float32)
        if self.decay is None:
            return 1.0 / (tf.maximum(t - self.start, 0.0) + 1.0)
        return 1.0 - tf.minimum(self.decay, (1.0 + t) / (10.0 + t))

    @contextlib.contextmanager
    def swapped(self) -> Iterator[None]:
        """Has the averages in the networks while the `with` block runs, outside of replicas; the weights come back whatever happens."""
        kept = [tf.identity(weight.value) for weight in self._weights]
        try:
            for weight, average in zip(self._weights, self._averages, strict=True):
                weight.assign(tf.convert_to_tensor(average))
            yield
        finally:
            for weight, value in zip(self._weights, kept, strict=True):
                weight.assign(value)


def _move(average: tf.Variable, weight: keras.Variable, rest: tf.Tensor) -> None:
    """`average += rest * (weight - average)`, the difference and one fused pass."""
    if not average.dtype.is_floating:
        replica.assign(average, weight.value)
        return
    difference = tf.convert_to_tensor(average) - weight.value
    tf.raw_ops.ResourceApplyGradientDescent(var=average.handle, alpha=tf.cast(rest, average.dtype), delta=difference)
