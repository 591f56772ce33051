"""What a network costs: its parameters, and the multiply-adds of one example, counted from the graph of its forward pass.

Counted are the products of convolutions, of dense layers and of attention, whichever layers they stand in. Biases, normalisation, activations and
pooling are left out, as in the tables of the papers, which call the same number FLOPs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def multiply_adds(net: keras.Model) -> int:
    """Multiply-adds of a network on one example.

    Args:
        net: A functional model.

    Returns:
        Their number.

    Raises:
        ValueError: If the graph has a loop or a branch, or products of sizes that are not known before it runs.
    """
    return of_call(net, net.input)


def of_call(call: Callable[..., Any], *args: Any, **kwargs: Any) -> int:
    """Multiply-adds of one call on one example.

    Args:
        call: A network or a layer.
        *args: What it is called with, Keras' symbolic tensors in place of values.
        **kwargs: Likewise.

    Returns:
        Their number.

    Raises:
        ValueError: As for `multiply_adds`.
    """
    given = tf.nest.flatten((args, kwargs))
    symbolic = [isinstance(each, keras.KerasTensor) for each in given]
    specs = [tf.TensorSpec([1, *each.shape[1:]], each.dtype) for each, is_one in zip(given, symbolic, strict=True) if is_one]

    def run(*values: tf.Tensor) -> Any:
        left = iter(values)
        filled = [next(left) if is_one else each for each, is_one in zip(given, symbolic, strict=True)]
        own_args, own_kwargs = tf.nest.pack_sequence_as((args, kwargs), filled)
        return call(*own_args, **own_kwargs)

    return _of_graph(tf.function(run, autograph=False).get_concrete_function(*specs).graph)


def _of_graph(graph: tf.Graph) -> int:
    """Of all operations of a graph, those of the functions that it calls included."""
    return sum(_of_operation(graph, operation) for operation in graph.get_operations())


def _of_operation(graph: tf.Graph, operation: tf.Operation) -> int:
    if operation.type in ("PartitionedCall", "StatefulPartitionedCall"):
        called = graph._get_function(operation.get_attr("f").name)
        return _of_graph(called.graph)
    if operation.type in _UNDECIDED:
        what = _UNDECIDED[operation.type]
        raise ValueError(f"{operation.name}: {what} is not known before it does, so its multiply-adds can't be counted")
    counted = _COUNTED.get(operation.type)
    if counted is None:
        return 0
    shapes = [tensor.shape for tensor in (*operation.inputs, *operation.outputs)]
    if not all(shape.is_fully_defined() for shape in shapes):
        raise ValueError(f"{operation.name}: works on {', '.join(map(str, shapes))}; give a network whose sizes are all known")
    return counted(operation)


def _size(tensor: tf.Tensor) -> int:
    return math.prod(tensor.shape.as_list())


def _convolution(operation: tf.Operation) -> int:
    """Every output value is a sum over a kernel `[..., in, out]`."""
    kernel = operation.inputs[1]
    return _size(operation.outputs[0]) * _size(kernel) // kernel.shape[-1]


def _depthwise(operation: tf.Operation) -> int:
    """Every output value is a sum over one channel of a kernel `[h, w, in, multiplier]`."""
    return _size(operation.outputs[0]) * math.prod(operation.inputs[1].shape[:2])


def _transposed(operation: tf.Operation) -> int:
    """Every input value meets a kernel `[h, w, out, in]`, apart from its last axis."""
    _, kernel, image = operation.inputs
    return _size(image) * _size(kernel) // kernel.shape[-1]


def _product(operation: tf.Operation) -> int:
    """Every output value is a sum along the axis that the first factor loses."""
    first = operation.inputs[0].shape
    transposed = operation.get_attr("transpose_a" if operation.type == "MatMul" else "adj_x")
    return _size(operation.outputs[0]) * first[-2 if transposed else -1]


def _einsum(operation: tf.Operation) -> int:
    """One for each combination of all indices; nothing where there is but one factor."""
    if len(operation.inputs) == 1:
        return 0
    terms: Iterable[str] = operation.get_attr("equation").decode().partition("->")[0].split(",")
    sizes = {index: size for term, tensor in zip(terms, operation.inputs, strict=True) for index, size in zip(term, tensor.shape, strict=True)}
    return math.prod(sizes.values())


_UNDECIDED = {
    **dict.fromkeys(("While", "StatelessWhile"), "how often a loop runs"),
    **dict.fromkeys(("If", "StatelessIf", "Case", "StatelessCase"), "which branch runs"),
}
_COUNTED: dict[str, Callable[[tf.Operation], int]] = {
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _transposed,
    "Conv3DBackpropInputV2": _transposed,
    "MatMul": _product,
    "BatchMatMulV2": _product,
    "Einsum": _einsum,
}
