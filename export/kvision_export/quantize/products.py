"""The linear parts of Keras' layers with weights, as the int8 kernels know them: output channels, strides, padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kvision_export.quantize.steps import Product

if TYPE_CHECKING:
    from collections.abc import Callable

WEIGHTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D, keras.layers.Conv2DTranspose, keras.layers.Dense)
"""The layers with weights that can be rounded; a batch normalisation too, alone or behind one of these."""


def of(layer: keras.layers.Layer) -> list[Product]:
    """The products that a layer is made of: one, but two of a separable convolution, whose halves are operations of their own in the file.

    Args:
        layer: One of `WEIGHTED`, or a batch normalisation that follows none of them: a 1x1 depthwise convolution with kernel 1.

    Returns:
        The products in order.
    """
    if isinstance(layer, keras.layers.SeparableConv2D):
        return [_depthwise(layer, lambda: layer.depthwise_kernel, None), _convolution(layer, lambda: layer.pointwise_kernel, strides=1)]
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return [_depthwise(layer, lambda: layer.kernel, _bias(layer))]
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return [_transposed(layer)]
    if isinstance(layer, keras.layers.Conv2D):
        return [_convolution(layer, lambda: layer.kernel, strides=layer.strides, dilation_rate=layer.dilation_rate)]
    if isinstance(layer, keras.layers.Dense):
        return [Product(tf.matmul, lambda: _tensor(layer.kernel), tf.identity, _bias(layer))]
    channels = layer.moving_mean.shape[0]
    return [Product(_scale, lambda: tf.ones([channels]), lambda kernel: tf.reshape(kernel, [1, 1, channels, 1]), None)]


def _scale(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.depthwise_conv2d(inputs, kernel, [1, 1, 1, 1], "SAME")


def _convolution(layer: Any, kernel: Callable[[], Any], **geometry: Any) -> Product:
    padding = layer.padding if layer.kernel_size != (1, 1) else "valid"

    def apply(inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return keras.ops.conv(inputs, weights, padding=padding, data_format="channels_last", **geometry)

    return Product(apply, lambda: _tensor(kernel()), tf.identity, _bias(layer))


def _depthwise(layer: Any, kernel: Callable[[], Any], bias: Callable[[], tf.Tensor] | None) -> Product:
    """Output channel `c * multiplier + m` is that of input channel c."""
    shape = tuple(kernel().shape)

    def apply(inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return keras.ops.depthwise_conv(
            inputs, weights, strides=layer.strides, padding=layer.padding, data_format="channels_last", dilation_rate=layer.dilation_rate
        )

    height, width, channels, multiplier = shape
    flat = [height, width, channels * multiplier]
    return Product(apply, lambda: tf.reshape(_tensor(kernel()), flat), lambda weights: tf.reshape(weights, shape), bias)


def _transposed(layer: Any) -> Product:
    """Keras keeps the kernel as `[H, W, out, in]`."""

    def apply(inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return keras.ops.conv_transpose(
            inputs,
            weights,
            strides=layer.strides,
            padding=layer.padding,
            output_padding=layer.output_padding,
            data_format="channels_last",
            dilation_rate=layer.dilation_rate,
        )

    def swap(weights: tf.Tensor) -> tf.Tensor:
        return tf.transpose(weights, [0, 1, 3, 2])

    return Product(apply, lambda: swap(_tensor(layer.kernel)), swap, _bias(layer))


def _bias(layer: Any) -> Callable[[], tf.Tensor] | None:
    return (lambda: _tensor(layer.bias)) if layer.use_bias else None


def _tensor(variable: Any) -> tf.Tensor:
    return tf.convert_to_tensor(variable)
