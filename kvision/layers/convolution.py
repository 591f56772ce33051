"""Convolutions that compute what Keras' do, faster in training: a plain one, a transposed one; and one that gives logits in float32."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_PLACES = {"bfloat16": 8 * 8, "float32": 4 * 4}
_CHANNELS = 128 * 128
"""Largest map, and smallest kernel, for which products of matrices are faster; measured on a CPU with AMX, batches of 16 and 128."""


@keras.saving.register_keras_serializable("kvision")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` for channels last, with the same arguments, variables, outputs and gradients.

    oneDNN is slow where maps are small and channels many: 512 of them on 4x4, a batch of 128 and float32 take 86 ms for the outputs, 94 for the
    gradient of the input and 85 to 127 for the kernel's, on one core. The products of matrices that these consist of, one for each place of the
    kernel, leave out the padding and take 53, 64 and 60 ms. In bfloat16 the kernel's gradient alone is faster so, 23 ms and not 99.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[B, H, W, C]` to `[B, H', W', filters]`; outside of training the plain operation, so that nothing else is ever exported."""
        if not (training and self._by_products(inputs.shape)):
            return super().call(inputs)
        outputs = _convolution(inputs, tf.convert_to_tensor(self.kernel), self.strides, self.padding.upper())
        return self.activation(tf.nn.bias_add(outputs, tf.convert_to_tensor(self.bias)) if self.use_bias else outputs)

    def _by_products(self, shape: tf.TensorShape) -> bool:
        """Whether products of matrices are the faster way."""
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
    """A convolution of `x` `[B, H, W, C]` whose kernel `[h, w, C, K]` gets its gradient by products; in float32 with stride 1 all is products."""
    whole = x.dtype == tf.float32 and strides == (1, 1)
    axes = list(zip(x.shape[1:3], kernel.shape[:2], strides, strict=True))
    sides = [_outputs_along(*axis, padding) for axis in axes]
    rows, columns = (_met(*axis, padding) for axis in axes)
    places = list(itertools.product(rows, columns))

    @tf.custom_gradient
    def convolve(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        def gradients(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            if whole:
                of_x = _input_gradient(x, kernel, upstream, places)
            else:
                of_x = tf.compat.v1.nn.conv2d_backprop_input(tf.shape(x), kernel, upstream, [1, *strides, 1], padding)
            return of_x, _kernel_gradient(x, kernel, upstream, places, strides)

        return _outputs(x, kernel, sides, places) if whole else tf.nn.conv2d(x, kernel, strides, padding), gradients

    return convolve(x, kernel)


class _Met(NamedTuple):
    """What one row or column of a kernel meets of a map, which is cut into blocks of a stride."""

    place: int
    outputs: slice
    blocks: slice
    within: int


def _outputs_along(size: int, kernel: int, stride: int, padding: str) -> int:
    """How many outputs there are along an axis."""
    return -(-(size if padding == "SAME" else size - kernel + 1) // stride)


def _met(size: int, kernel: int, stride: int, padding: str) -> Iterator[_Met]:
    """What each row of a kernel meets that meets more than padding: output o meets the input `o * stride + place - before`."""
    outputs = _outputs_along(size, kernel, stride, padding)
    before = max((outputs - 1) * stride + kernel - size, 0) // 2 if padding == "SAME" else 0
    for place in range(kernel):
        first = max(0, -(-(before - place) // stride))
        end = min(outputs, (size - 1 + before - place) // stride + 1)
        if first < end:
            skipped, within = divmod(place - before, stride)
            yield _Met(place, slice(first, end), slice(first + skipped, end + skipped), within)


def _outputs(x: tf.Tensor, kernel: tf.Tensor, sides: Sequence[int], places: Sequence[tuple[_Met, _Met]]) -> tf.Tensor:
    """The outputs `[B, H', W', K]` at stride 1: for each place of the kernel, the product of the inputs that it meets with the kernel there."""
    products = []
    for row, column in places:
        product = tf.matmul(_rows(x[:, row.blocks, column.blocks]), kernel[row.place, column.place])
        products.append(_put(product, (row.outputs, column.outputs), sides))
    return tf.add_n(products)


def _input_gradient(x: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, places: Sequence[tuple[_Met, _Met]]) -> tf.Tensor:
    """The gradient `[B, H, W, C]` at stride 1: the same the other way round."""
    products = []
    for row, column in places:
        product = tf.matmul(_rows(upstream[:, row.outputs, column.outputs]), kernel[row.place, column.place], transpose_b=True)
        products.append(_put(product, (row.blocks, column.blocks), x.shape[1:3]))
    return tf.add_n(products)


def _kernel_gradient(
    x: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor, places: Sequence[tuple[_Met, _Met]], strides: tuple[int, int]
) -> tf.Tensor:
    """The gradient `[h, w, C, K]`: for each place of the kernel, the product of the inputs that it meets with the gradient of the outputs."""
    # Rows and columns in blocks of a stride: slices of whole blocks are fast, those with steps are not.
    blocks = [-(-size // stride) for size, stride in zip(x.shape[1:3], strides, strict=True)]
    after = [count * stride - size for count, stride, size in zip(blocks, strides, x.shape[1:3], strict=True)]
    x = tf.pad(x, [[0, 0], [0, after[0]], [0, after[1]], [0, 0]]) if any(after) else x
    x = tf.reshape(x, [-1, blocks[0], strides[0], blocks[1], strides[1], x.shape[3]])
    products = {
        (row.place, column.place): tf.matmul(
            _rows(x[:, row.blocks, row.within, column.blocks, column.within]), _rows(upstream[:, row.outputs, column.outputs]), transpose_a=True
        )
        for row, column in places
    }
    nothing = tf.zeros(kernel.shape[2:], x.dtype)
    return tf.reshape(tf.stack([products.get(place, nothing) for place in np.ndindex(*kernel.shape[:2])]), kernel.shape)


def _rows(x: tf.Tensor) -> tf.Tensor:
    """Maps `[B, h, w, C]` as a matrix `[B h w, C]`."""
    return tf.reshape(x, [-1, x.shape[3]])


def _put(product: tf.Tensor, where: tuple[slice, slice], sides: Sequence[int]) -> tf.Tensor:
    """A matrix `[B h w, K]` as maps, at its place among zeros, `[B, H, W, K]`."""
    maps = tf.reshape(product, [-1, *(one.stop - one.start for one in where), product.shape[1]])
    return tf.pad(maps, [[0, 0], *([one.start, side - one.stop] for one, side in zip(where, sides, strict=True)), [0, 0]])


@tf.custom_gradient
def _add_bias(x: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """Adds `bias` `[C]` to `x` `[B, H, W, C]`."""
    # Reductions to the channels are slower under XLA, so this one isn't.
    return _sum(x, bias), lambda upstream: (upstream, tf.reduce_sum(upstream, axis=[0, 1, 2]))


@tf.function(jit_compile=True)
def _sum(x: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """The sum, compiled."""
    return x + bias
