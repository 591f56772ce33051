"""A classifier as a fully convolutional network: one pass gives what it would say of its window at every place of a larger picture.

Papers: Sermanet et al. 2014 (OverFeat), arXiv 1312.6229, section 3.5; Long et al. 2015, arXiv 1411.4038, section 3.1.
Deviations: none where all convolutions and poolings are `valid`. `same` padding puts zeros around the whole picture, not around each window, so that
windows see their neighbours where the classifier saw zeros: equal at the training size, near and often better at larger ones. Squeeze-and-excitation,
and normalisations over each example, look at the whole picture, not at the window.
Shapes: picture `[B, H, W, 3]` with H, W >= S, logits `[B, h, w, K]`, h = (H - S) / stride + 1, rounded up where padding is `same`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.layers.views import Averaged, Views

_DROPPED = (keras.layers.Dropout, keras.layers.SpatialDropout2D)
_BINDING = (TypeError, ValueError, AttributeError, NotImplementedError, tf.errors.InvalidArgumentError)
"""What layers raise that are given a map of no fixed size but need one."""


@dataclass(frozen=True)
class Sliding:
    """A classifier that slides over pictures.

    Attributes:
        net: Normalised pictures `[B, H, W, 3]` to logits `[B, h, w, K]`.
        window_px: Side S of the window that each place of the map stands for; that of place 0 begins at pixel 0.
        stride_px: From one window to the next.
    """

    net: keras.Model
    window_px: int
    stride_px: int


def sliding(net: keras.Model) -> Sliding:
    """Turns a classifier's network into one for pictures of any size.

    The mean over the map becomes an average pooling with stride 1, a layer that sees a flattened map of h x w cells a convolution of h x w, and one
    that sees a vector a convolution of 1 x 1. Dropout is left out, for the result is not for training.

    Args:
        net: From a square picture `[B, S, S, 3]` to logits `[B, K]`; it stays as it is.

    Returns:
        The network, with copies of the weights.

    Raises:
        UsageError: If a layer is bound to the size of the picture, as attention over all of it is.
    """
    window_px = net.input_shape[1]
    image = keras.Input((None, None, net.input_shape[-1]), name="image")
    converter = _Converter(net, image)
    made = keras.models.clone_model(net, input_tensors=[image] if isinstance(net.input, list) else image, call_function=converter.call)
    for layer in made.layers:
        if layer.weights:
            given = net.get_layer(layer.name).get_weights()
            layer.set_weights([value.reshape(variable.shape) for value, variable in zip(given, layer.weights, strict=True)])
    return Sliding(made, window_px, converter.stride_of(made.output))


class _Converter:
    """Calls the layers of the copy, or what stands in for them, on maps."""

    def __init__(self, net: keras.Model, image: keras.KerasTensor) -> None:
        self._net = net
        self._strides: dict[int, int] = {id(image): 1}
        self._flat: dict[int, tuple[int, int]] = {}
        self._kept = [image]  # alive, so that no other tensor gets its id

    def stride_of(self, tensor: keras.KerasTensor) -> int:
        """By how many pixels neighbours in a map differ."""
        return self._strides[id(tensor)]

    def call(self, layer: Any, *inputs: Any, **options: Any) -> Any:
        """What a layer gives, or its stand-in: a map."""
        tensors = [each for each in keras.tree.flatten(inputs) if isinstance(each, keras.KerasTensor)]
        if isinstance(layer, _DROPPED):
            return tensors[0]
        if isinstance(layer, Views | Averaged):
            raise self._bound(layer, f"makes several views of a picture (model.tta={layer.kind})")
        try:
            found = self._called(layer, tensors[0], inputs, options)
        except _BINDING as error:
            raise self._bound(layer, "needs a picture of fixed size") from error
        if not isinstance(found, keras.KerasTensor) or len(found.shape) != 4:
            raise self._bound(layer, "gives no map")
        self._strides[id(found)] = max(self._strides[id(each)] for each in tensors) * max(keras.tree.flatten(getattr(layer, "strides", 1)))
        self._kept.append(found)
        return found

    def _called(self, layer: Any, x: keras.KerasTensor, inputs: Any, options: Any) -> keras.KerasTensor:
        if isinstance(layer, keras.layers.GlobalAveragePooling2D) and not layer.keepdims:
            return keras.layers.AveragePooling2D(self._cells(layer), strides=1, name=layer.name)(x)
        if isinstance(layer, keras.layers.Flatten):
            found = keras.layers.Identity(name=layer.name)(x)
            self._flat[id(found)] = self._cells(layer)
            return found
        if isinstance(layer, keras.layers.Dense):
            convolution = keras.layers.Conv2D(
                layer.units,
                self._flat.get(id(x), 1),
                activation=layer.activation,
                use_bias=layer.use_bias,
                dtype=layer.dtype_policy,
                name=layer.name,
            )
            return convolution(x)
        if id(x) in self._flat:
            raise ValueError("it stands between a flattened map and a layer of units")
        if isinstance(layer, keras.layers.PReLU):
            layer = keras.layers.PReLU(shared_axes=[1, 2], name=layer.name)
        return layer(*inputs, **options)

    def _cells(self, layer: keras.layers.Layer) -> tuple[int, int]:
        """Height and width of the map that a layer sees at the training size; raises `ValueError` if it is none."""
        shape = self._net.get_layer(layer.name)._inbound_nodes[0].input_tensors[0].shape
        if len(shape) != 4:
            raise ValueError(f"it sees {shape}, which is no map")
        return shape[1], shape[2]

    def _bound(self, layer: Any, why: str) -> UsageError:
        return UsageError(
            f"{self._net.name} can't slide over larger pictures: its layer {layer.name} ({type(layer).__name__}) {why}; networks of convolutions, "
            "poolings and layers of units can, such as classification/resnet, vgg, lenet and mobilenet; those with attention can't"
        )
