"""Convolutions that compute what Keras' do: a transposed one whose bias is cheap in training, and one that gives logits in float32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable


@keras.saving.register_keras_serializable("kvision")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` for channels last, with the same arguments, variables, outputs and gradients.

    The oneDNN kernel can't add the bias itself. TensorFlow's kernels for that and for its gradient take a twentieth of a bfloat16 step of the
    U-Net on a CPU; a sum compiled by XLA and a plain reduction take less.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[B, H, W, C]` to `[B, H', W', filters]`; outside of training the plain operations, so that nothing else is ever exported."""
        if not (training and self.use_bias):
            return super().call(inputs)
        outputs = keras.ops.conv_transpose(
            inputs,
            self.kernel,
            strides=list(self.strides),
            padding=self.padding,
            output_padding=self.output_padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        return self.activation(_add_bias(outputs, tf.convert_to_tensor(self.bias)))


@keras.saving.register_keras_serializable("kvision")
class Logits(keras.layers.Conv2D):
    """`keras.layers.Conv2D` whose outputs are float32 also in mixed precision; float64 stays.

    They are rounded as all activations are, but what is computed of them, the softmax and the loss, is not.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` to float32 `[B, H', W', filters]`."""
        return tf.cast(super().call(inputs), self._output_dtype)

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """The shape of the convolution, in float32."""
        return keras.KerasTensor(self.compute_output_shape(inputs.shape), self._output_dtype)

    @property
    def _output_dtype(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"


@tf.custom_gradient
def _add_bias(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """Adds `bias` `[C]` to `x` `[B, H, W, C]`."""
    # Reductions to the channels are slower under XLA, so this one isn't.
    return _sum(x, bias), lambda upstream: (upstream, tf.reduce_sum(upstream, axis=[0, 1, 2]))


@tf.function(jit_compile=True)
def _sum(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """The sum, compiled."""
    return x + bias
