"""Where the int8 kernels round, as layers with straight-through gradients: weights by output channel, activations by tensor.

Paper: Jacob et al. 2018, arXiv 1712.05877, section 3; Krishnamoorthi 2018, arXiv 1806.08342.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

SMALLEST = 1e-8
"""Range of a channel whose weights are all zero; any would do."""


def round_weights(kernel: tf.Tensor) -> tf.Tensor:
    """Weights as int8 holds them: `scale * round(w / scale)`, `scale = max |w| / 127` for each index of the last axis.

    They lie in [-127, 127], for LiteRT's kernels do not take -128. The largest weight of a channel lies on the grid, so that rounding once more,
    as the converter does, changes nothing.

    Args:
        kernel: `[..., C]`.

    Returns:
        `[..., C]`; the gradient is passed on unchanged.

    References:
        arXiv 1806.08342, equations 4 to 6 and section 3.1.1 (per-channel).
    """
    reach = tf.maximum(tf.reduce_max(tf.abs(kernel), axis=list(range(kernel.shape.rank - 1))), SMALLEST)

    @tf.grad_pass_through  # the op's own gradient would be 0 where rounding errors put the largest weight beyond the edge
    def rounded(weights: tf.Tensor) -> tf.Tensor:
        return tf.quantization.fake_quant_with_min_max_vars_per_channel(weights, -reach, reach, num_bits=8, narrow_range=True)

    return rounded(kernel)


class Range(keras.layers.Layer):
    """Rounds a tensor to the 256 steps of its range, `[low, high]` widened to hold 0 and shifted so that 0 is one of the steps.

    While it learns, in training and in calibration, the range follows the smallest and the largest value of each batch: at first their mean over
    the batches so far, later a moving average.

    Attributes:
        calibrating: Whether it lets values pass as they are and learns from them also outside of training.
    """

    def __init__(self, fixed: tuple[float, float] | None = None, *, frozen: bool = False, momentum: float = 0.99, **kwargs: Any) -> None:
        """A range without values.

        Args:
            fixed: The range, where the int8 kernel leaves no choice; none: it is learnt.
            frozen: Keep in training what calibration found.
            momentum: Of the moving average.
            **kwargs: As every layer's.
        """
        super().__init__(**kwargs)
        self.calibrating = False
        self._fixed, self._frozen, self._momentum = fixed, frozen, momentum
        low, high = fixed or (0.0, 0.0)
        moving: dict[str, Any] = {"shape": (), "trainable": False, "autocast": False, "dtype": "float32", "aggregation": "only_first_replica"}
        self.low = self.add_weight(name="low", initializer=keras.initializers.Constant(low), **moving)
        self.high = self.add_weight(name="high", initializer=keras.initializers.Constant(high), **moving)
        self.seen = self.add_weight(name="seen", initializer="zeros", **moving)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """The same values on the grid; the gradient is 1 inside of the range and 0 beyond (straight through)."""
        if self._fixed is None and (self.calibrating or (training and not self._frozen)):
            self._learn(inputs)
        return self.again(inputs)

    def again(self, inputs: tf.Tensor) -> tf.Tensor:
        """Rounds another tensor to this grid, from which nothing is learnt."""
        if self.calibrating:
            return inputs
        return tf.quantization.fake_quant_with_min_max_vars(inputs, self.low.value, self.high.value, num_bits=8)

    def _learn(self, inputs: tf.Tensor) -> None:
        """Moves the range towards that of this batch, the same way on every replica."""
        low, high = tf.minimum(tf.reduce_min(inputs), 0.0), tf.maximum(tf.reduce_max(inputs), 0.0)
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            low, high = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, [low, high])
        seen = self.seen.value + 1.0
        rate = tf.maximum(1.0 / seen, 1.0 - self._momentum)
        for variable, value in ((self.low, low), (self.high, high)):
            variable.assign(variable.value + rate * (tf.stop_gradient(value) - variable.value))
        self.seen.assign(seen)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape
