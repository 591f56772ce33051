"""Convolutions that compute what Keras' do, faster in training: a plain one, a transposed one; and one that gives logits in float32."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable

_PLACES = {"bfloat16": 8 * 8, "float32": 4 * 4}
_CHANNELS = 128 * 128
"""Largest map, and smallest kernel, whose gradient is faster as products of matrices; measured on a CPU with AMX, batches of 16 and 128."""


@keras.saving.register_keras_serializable("kvision")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` for channels last, with the same arguments, variables, outputs and gradients.

    oneDNN's gradient of the kernel is slow where maps are small and channels many: 99 ms for 512 channels on 4x4, a batch of 128 and bfloat16, on
    one core; in float32 it is 127 ms. The products of matrices that it consists of, one for each place of the kernel, take 23 and 80 ms.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[B, H, W, C]` to `[B, H', W', filters]`; outside of training the plain operation, so that nothing else is ever exported."""
        if not (training and self._by_products(inputs.shape)):
            return super().call(inputs)
        outputs = _convolution(inputs, tf.convert_to_tensor(self.kernel), self.strides, self.padding.upper())
        return self.activation(tf.nn.bias_add(outputs, tf.convert_to_tensor(self.bias)) if self.use_bias else outputs)

    def _by_products(self, shape: tf.TensorShape) -> bool:
        """Whether products of matrices are the faster way to the kernel's gradient."""
        if self.groups > 1 or max(self.dilation_rate) > 1 or tf.config.list_physical_devices("GPU"):
            return False
        _, height, width, _ = self.compute_output_shape(tuple(shape))
        places = height * width if height and width else math.inf
        return places <= _PLACES.get(self.compute_dtype, 0) and self.kernel.shape[2] * self.filters >= _CHANNELS


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


def _convolution(x: tf.Tensor, kernel: tf.Tensor, strides: tuple[int, int], padding: str) -> tf.Tensor:
    """A convolution of `x` `[B, H, W, C]` whose kernel `[h, w, C, K]` gets its gradient by products of matrices."""

    @tf.custom_gradient
    def convolve(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            of_x = tf.compat.v1.nn.conv2d_backprop_input(tf.shape(x), kernel, upstream, [1, *strides, 1], padding)
            return of_x, _kernel_gradient(x, upstream, kernel.shape, strides, padding)

        return tf.nn.conv2d(x, kernel, strides, padding), gradients

    return convolve(x, kernel)


def _kernel_gradient(x: tf.Tensor, upstream: tf.Tensor, shape: tf.TensorShape, strides: tuple[int, int], padding: str) -> tf.Tensor:
    """The gradient `[h, w, C, K]`: for each place of the kernel, the product of the inputs that it meets with the gradient of the outputs."""
    sizes, (rows, columns) = shape[:2].as_list(), upstream.shape[1:3]
    before, blocks = zip(*map(_padding, x.shape[1:3], (rows, columns), sizes, strides, [padding] * 2), strict=True)
    after = [block * stride - size - pad for block, stride, size, pad in zip(blocks, strides, x.shape[1:3], before, strict=True)]
    x = tf.pad(x, [[0, 0], [before[0], after[0]], [before[1], after[1]], [0, 0]])
    # Rows and columns in blocks of a stride: slices of whole blocks are fast, those with steps are not.
    x = tf.reshape(x, [-1, blocks[0], strides[0], blocks[1], strides[1], shape[2]])
    upstream = tf.reshape(upstream, [-1, shape[3]])
    products = []
    for row in range(sizes[0]):
        for column in range(sizes[1]):
            (top, i), (left, j) = divmod(row, strides[0]), divmod(column, strides[1])
            met = x[:, top : top + rows, i, left : left + columns, j]
            products.append(tf.matmul(tf.reshape(met, [-1, shape[2]]), upstream, transpose_a=True))
    return tf.reshape(tf.stack(products), shape)


def _padding(size: int, outputs: int, kernel: int, stride: int, padding: str) -> tuple[int, int]:
    """Zeros before a row, and the blocks of a stride that it then has."""
    needed = (outputs - 1) * stride + kernel
    before = max(needed - size, 0) // 2 if padding == "SAME" else 0
    return before, -(-max(needed, size + before) // stride)


@tf.custom_gradient
def _add_bias(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """Adds `bias` `[C]` to `x` `[B, H, W, C]`."""
    # Reductions to the channels are slower under XLA, so this one isn't.
    return _sum(x, bias), lambda upstream: (upstream, tf.reduce_sum(upstream, axis=[0, 1, 2]))


@tf.function(jit_compile=True)
def _sum(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """The sum, compiled."""
    return x + bias
