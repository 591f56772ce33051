"""Small networks of every kind of layer that can be trained as int8, with weights as after a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kvision.layers import resampling
from kvision.layers.normalization import BatchNormalization

if TYPE_CHECKING:
    from collections.abc import Callable

L = keras.layers
SHAPE = (16, 16, 3)


def chain(*layers: keras.layers.Layer) -> keras.Model:
    """Image to output, one layer after the other."""
    x = image = keras.Input(SHAPE, name="image")
    for layer in layers:
        x = layer(x)
    return trained(keras.Model(image, x))


def trained(net: keras.Model) -> keras.Model:
    """The network with statistics, offsets and scales that are not those of a new one."""
    rng = np.random.default_rng(1)
    for variable in net.weights:
        if variable.path.endswith(("moving_variance", "gamma")):
            variable.assign(rng.uniform(0.5, 2.0, variable.shape))
        elif variable.path.endswith(("moving_mean", "beta", "bias")):
            variable.assign(rng.normal(0.0, 0.3, variable.shape))
        else:
            variable.assign(rng.normal(0.0, 1.0, variable.shape) / np.sqrt(max(1, variable.shape.num_elements() // variable.shape[-1])))
    return net


def head(*layers: keras.layers.Layer) -> keras.Model:
    """A convolution, these layers, and one more convolution."""
    return chain(L.Conv2D(6, 3, padding="same", use_bias=False), BatchNormalization(), L.ReLU(), *layers, L.Conv2D(4, 3))


def residual(add: Callable[[keras.KerasTensor, keras.KerasTensor], keras.KerasTensor]) -> keras.Model:
    """Two branches added up before the ReLU."""
    image = keras.Input(SHAPE, name="image")
    a = L.Conv2D(6, 3, padding="same")(image)
    b = L.BatchNormalization()(L.Conv2D(6, 3, padding="same")(L.ReLU()(a)))
    return trained(keras.Model(image, L.Conv2D(4, 1)(L.ReLU()(add(a, b)))))


def joined() -> keras.Model:
    """Two branches of which nothing else is made, concatenated twice."""
    image = keras.Input(SHAPE, name="image")
    a, b, c = (L.Conv2D(4, 3, padding="same", activation="relu", dilation_rate=rate)(image) for rate in (1, 2, 1))
    return trained(keras.Model(image, L.Conv2D(4, 1)(L.Concatenate()([c, L.Concatenate()([a, b])]))))


def gated() -> keras.Model:
    """Squeeze and excitation with SiLU, as in EfficientNet."""
    image = keras.Input(SHAPE, name="image")
    x = L.Activation("silu")(BatchNormalization()(L.Conv2D(8, 3, use_bias=False)(image)))
    gate = L.Conv2D(2, 1, activation="silu")(L.GlobalAveragePooling2D(keepdims=True)(x))
    gate = L.Conv2D(8, 1, activation="sigmoid")(gate)
    return trained(keras.Model(image, L.Conv2D(4, 1)(L.Multiply()([x, gate]))))


NETS: dict[str, Callable[[], keras.Model]] = {
    "conv": lambda: chain(L.Conv2D(6, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU(6.0), L.Conv2D(4, 1, activation="relu")),
    "dilated": lambda: head(L.Conv2D(6, 3, dilation_rate=2, activation="relu6")),
    "depthwise": lambda: head(L.DepthwiseConv2D(3, 2, padding="same", depth_multiplier=2), L.BatchNormalization(scale=False), L.ReLU()),
    "separable": lambda: head(L.SeparableConv2D(6, 3, 2, padding="same"), BatchNormalization(), L.Activation("relu")),
    "transposed": lambda: head(L.Conv2DTranspose(5, 2, strides=2), L.BatchNormalization(center=False), L.ReLU()),
    "dense": lambda: chain(L.Conv2D(6, 3, 2), BatchNormalization(), L.ReLU(), L.GlobalAveragePooling2D(), L.Dropout(0.2), L.Dense(10)),
    "flat": lambda: chain(
        L.Conv2D(6, 3, 2, activation="relu"), L.Flatten(), L.Dense(12), BatchNormalization(), L.ReLU(), L.Dense(10, activation="softmax")
    ),
    "curved": lambda: chain(L.Conv2D(6, 3, 2, activation="tanh"), L.Conv2D(6, 3, activation="sigmoid"), L.LeakyReLU(), L.Conv2D(4, 1), L.Softmax()),
    "added": lambda: residual(lambda a, b: L.Add()([a, b])),
    "plus": lambda: residual(lambda a, b: a + b),
    "joined": joined,
    "gated": gated,
    "norm first": lambda: chain(L.ZeroPadding2D(1), L.Conv2D(6, 3), L.MaxPooling2D(2), BatchNormalization(), L.ReLU(), L.Conv2D(4, 3)),
    "nearest": lambda: head(resampling.Nearest()),
    "averaged": lambda: chain(L.Conv2D(6, 3, padding="same", activation="relu"), L.AveragePooling2D(2)),
    "bilinear": lambda: chain(L.Conv2D(6, 3, padding="same", activation="relu"), resampling.Bilinear()),
    "nails": lambda: head(resampling.BedOfNails()),
}
HALFWAY = ("averaged", "bilinear")
"""Means of whole numbers often lie halfway between two, where kernels go another way; nothing stands behind these that would sum that up."""
