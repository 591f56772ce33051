"""ReLU and GELU that are compiled in training: what Keras' compute, with less of a training step's time; and maxout."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

from kvision.ops import dtypes

if TYPE_CHECKING:
    from collections.abc import Callable

    _Function = Callable[[tf.Tensor], tf.Tensor]

_SIX = 6.0


@keras.saving.register_keras_serializable("kvision")
class ReLU(keras.layers.ReLU):
    """`keras.layers.ReLU` with the same arguments, outputs and gradients.

    TensorFlow's own gradient kernel takes a twelfth of a bfloat16 step of the U-Net on a CPU; compiled by XLA, the gradient takes two thirds
    of that. In bfloat16 the outputs, too, of ReLU and ReLU6, take two fifths of the time when they are compiled.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[...]` to the same shape; outside of training the plain operation, so that nothing else is ever exported."""
        if not training or self.negative_slope or self.threshold:
            return super().call(inputs)
        brief = inputs.dtype == tf.bfloat16
        if self.max_value is None:
            return (_compiled_relu if brief and not _normalised(inputs) else _relu)(inputs)
        return _compiled_relu6(inputs) if brief and self.max_value == _SIX else super().call(inputs)


@keras.saving.register_keras_serializable("kvision")
class GELU(keras.layers.Layer):
    """Gaussian error linear unit, `x P(X <= x)` of a standard normal X (Hendrycks & Gimpel 2016, arXiv 1606.08415), without approximation.

    TensorFlow's own is a chain of operations, of which each goes through the memory; compiled by XLA it and its gradient take half of the time in
    float32 and two fifths in bfloat16 on a CPU, and are rounded once.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[...]` to the same shape; outside of training the plain operation, which the converter makes one operation of."""
        return _gelu(inputs) if training else tf.nn.gelu(inputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape


@keras.saving.register_keras_serializable("kvision")
class Maxout(keras.layers.Layer):
    """The greater of the first and the second half of the channels (Goodfellow 2013, arXiv 1302.4389, with two pieces)."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[..., 2C]` to `[..., C]`."""
        return tf.maximum(*tf.split(inputs, 2, axis=-1))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Half as many channels."""
        return *input_shape[:-1], input_shape[-1] // 2  # type: ignore[operator]


def _normalised(x: tf.Tensor) -> bool:
    """Whether TensorFlow fuses a ReLU into the batch normalisation that gave `x`."""
    return getattr(getattr(x, "op", None), "type", "") == "FusedBatchNormV3"


def _differentiable(outputs: _Function, gradient: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> _Function:
    """A function with its own gradient, of which only the outputs are kept."""

    @tf.custom_gradient
    def function(x: tf.Tensor) -> tuple[tf.Tensor, _Function]:
        y = outputs(x)
        return y, lambda upstream: gradient(upstream, y)

    return function


@tf.function(jit_compile=True)
def _gradient(upstream: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The gradient where the output is positive, else 0."""
    return tf.where(y > 0, upstream, tf.zeros([], upstream.dtype))


@tf.function(jit_compile=True)
def _gradient6(upstream: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The gradient where the output is between 0 and 6, else 0."""
    return tf.where((y > 0) & (y < _SIX), upstream, tf.zeros([], upstream.dtype))


_relu = _differentiable(tf.nn.relu, _gradient)
_compiled_relu = _differentiable(tf.function(tf.nn.relu, jit_compile=True), _gradient)
_compiled_relu6 = _differentiable(tf.function(tf.nn.relu6, jit_compile=True), _gradient6)


@tf.custom_gradient
def _gelu(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """GELU and its gradient; only the input is kept for it."""
    return _compiled_gelu(x), lambda upstream: _gelu_gradient(upstream, x)


@tf.function(jit_compile=True)
def _compiled_gelu(x: tf.Tensor) -> tf.Tensor:
    """The value, in float32 at least."""
    wide = dtypes.widened(x)
    return tf.cast(wide * _normal_cdf(wide), x.dtype)


@tf.function(jit_compile=True)
def _gelu_gradient(upstream: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """The gradient: the distribution, and x times its density."""
    wide = dtypes.widened(x)
    density = tf.exp(-0.5 * tf.square(wide)) / math.sqrt(2.0 * math.pi)
    return tf.cast(dtypes.widened(upstream) * (_normal_cdf(wide) + wide * density), x.dtype)


def _normal_cdf(x: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.math.erfc(-x / math.sqrt(2.0))  # exact for large negative values, too, unlike 1 + erf
