"""What each layer costs: parameters, outputs and multiply-adds, counted from the graph of a functional Keras model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from collections.abc import Iterator

_FREE = ("InputLayer", "Dropout", "SpatialDropout2D", "Concatenate", "Reshape", "Flatten", "Permute", "ZeroPadding2D", "Cropping2D", "Identity")
"""Layers that move values but compute none."""


@dataclass(frozen=True)
class LayerCost:
    """One layer, for one image.

    Attributes:
        name: The layer's name.
        kind: Its class.
        shape: Output shape without the batch; that of the first output if there are several.
        parameters: Number of its weights.
        multiply_adds: Exact for convolutions and dense layers; one for each output value elsewhere; 0 where values are only moved.
        outputs: Number of output values.
    """

    name: str
    kind: str
    shape: tuple[int | None, ...]
    parameters: int
    multiply_adds: int
    outputs: int


def layers(net: keras.Model) -> list[LayerCost]:
    """The costs of the layers in the order of the graph; nested models are opened, a shared layer counts once for each use.

    Args:
        net: A functional model whose image size is known.

    Returns:
        One entry a layer. Of a model without a graph, only names and parameters are known.
    """
    return [_cost(layer) for layer in _flat(net)]


def _flat(net: keras.Model) -> Iterator[keras.Layer]:
    for layer in net.layers:
        if isinstance(layer, keras.Model):
            yield from _flat(layer)
        else:
            yield layer


def _cost(layer: keras.Layer) -> LayerCost:
    calls = [(_first(node.input_tensors), _first(node.output_tensors)) for node in layer._inbound_nodes]
    shape = tuple(calls[0][1][1:]) if calls else ()
    outputs = sum(_size(after) for _, after in calls)
    multiply_adds = sum(_multiply_adds(layer, before, after) for before, after in calls)
    return LayerCost(layer.name, type(layer).__name__, shape, layer.count_params(), multiply_adds, outputs)


def _first(tensors: list[Any]) -> tuple[int | None, ...]:
    return tuple(tensors[0].shape) if tensors else ()


def _size(shape: tuple[int | None, ...]) -> int:
    """Values of one example."""
    return math.prod(size or 1 for size in shape[1:])


def _multiply_adds(layer: keras.Layer, before: tuple[int | None, ...], after: tuple[int | None, ...]) -> int:
    """Multiply-adds of one call on one example, by the sizes of kernel, input and output; biases are left out."""
    if isinstance(layer, keras.layers.SeparableConv2D):
        places = _size(after) // int(after[-1] or 1)
        return places * int(math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape))
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return _size(before) // int(before[-1] or 1) * int(math.prod(layer.kernel.shape))
    if isinstance(layer, keras.layers.Conv1D | keras.layers.Conv2D | keras.layers.Conv3D | keras.layers.DepthwiseConv2D | keras.layers.Dense):
        return _size(after) // int(after[-1] or 1) * int(math.prod(layer.kernel.shape))
    return 0 if type(layer).__name__ in _FREE else _size(after)
