"""What each layer costs: parameters, outputs and multiply-adds, counted from the graph of a functional Keras model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

from kvision.engine import cost

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class LayerCost:
    """One layer, for one image.

    Attributes:
        name: The layer's name.
        kind: Its class.
        shape: Output shape without the batch; that of the first output if there are several.
        parameters: Number of its weights.
        multiply_adds: Those of `cost.multiply_adds`; 0 of a layer that loops, such as a recurrent one, for they can't be counted.
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
    calls = layer._inbound_nodes
    shapes = [_first(node.output_tensors) for node in calls]
    multiply_adds = sum(_multiply_adds(layer, node) for node in calls if node.input_tensors)
    outputs = sum(_size(shape) for shape in shapes)
    return LayerCost(layer.name, type(layer).__name__, tuple(shapes[0][1:]) if shapes else (), layer.count_params(), multiply_adds, outputs)


def _first(tensors: list[Any]) -> tuple[int | None, ...]:
    return tuple(tensors[0].shape) if tensors else ()


def _size(shape: tuple[int | None, ...]) -> int:
    """Values of one example."""
    return math.prod(size or 1 for size in shape[1:])


def _multiply_adds(layer: keras.Layer, node: Any) -> int:
    try:
        return cost.of_call(layer, *node.arguments.args, **node.arguments.kwargs)
    except ValueError:
        return 0
