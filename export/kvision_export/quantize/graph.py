"""A network as the list of operations that its int8 file will have: normalisations and activations go into the operation before them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras

from kvision_export.errors import ExportError
from kvision_export.quantize import operations
from kvision_export.quantize.steps import FUSED

if TYPE_CHECKING:
    from kvision_export.quantize.operations import Kind


@dataclass(frozen=True)
class Node:
    """One call of an operation; tensors go by their ids."""

    operation: keras.Operation
    inputs: tuple[int, ...]
    output: int


@dataclass(frozen=True)
class Group:
    """What becomes one operation of the file.

    Attributes:
        first: The operation that takes the inputs.
        kind: Of the first.
        norm: The batch normalisation to fold; none.
        activation: One of `FUSED`, to be fused.
        tail: An activation that the first ends with and that is an operation of its own; empty: none.
        output: Id of the tensor that comes out.
        name: Of the last operation, by which outputs of a network are known.
        joined: Whether only a concatenation takes the output, whose grid it is then rounded to.
    """

    first: Node
    kind: Kind
    norm: keras.layers.Layer | None
    activation: str
    tail: str
    output: int
    name: str
    joined: bool


def groups(net: keras.Model) -> list[Group]:
    """The operations of the file, in an order in which they can be computed.

    Args:
        net: A functional model.

    Returns:
        The groups.

    Raises:
        ExportError: If the network is not a functional model, or a layer can't be rounded; names it and what can.
    """
    nodes = _nodes(net)
    takers: dict[int, list[Node | None]] = defaultdict(list)
    for node in nodes:
        for tensor in node.inputs:
            takers[tensor].append(node)
    for tensor in net.outputs:
        takers[id(tensor)].append(None)
    found: list[Group] = []
    taken: set[int] = set()
    for node in nodes:
        if node.output not in taken:
            chain, group = _group(node, takers)
            taken.update(each.output for each in chain)
            found.append(group)
    return found


def _group(node: Node, takers: dict[int, list[Node | None]]) -> tuple[list[Node], Group]:
    """The nodes of the operation that begins here, and the group that they make."""
    kind, chain = operations.kind(node.operation), [node]
    norm = node.operation if kind == "norm" else None
    own = (operations.activation(node.operation) or "linear") if kind == "weighted" else "linear"
    activation, tail = (own, "") if own in FUSED else ("linear", own)

    def following() -> Node | None:
        others = takers[chain[-1].output]
        return others[0] if len(others) == 1 else None

    after = following()
    if kind == "weighted" and own == "linear" and after is not None and operations.kind(after.operation) == "norm":
        norm = after.operation
        chain.append(after)
        after = following()
    if own == "linear" and _fuses(node.operation, kind) and after is not None and operations.activation_only(after.operation) in FUSED:
        activation = operations.activation_only(after.operation) or "linear"
        chain.append(after)
        after = following()
    joined = kind in ("weighted", "norm", "own") and not tail and after is not None and isinstance(after.operation, keras.layers.Concatenate)
    return chain, Group(node, kind, norm, activation, tail, chain[-1].output, chain[-1].operation.name, joined)


def _fuses(operation: keras.Operation, kind: Kind) -> bool:
    """Whether the int8 kernel has a fused activation."""
    return kind in ("weighted", "norm") or (kind == "own" and operations.is_arithmetic(operation))


def _nodes(net: keras.Model) -> list[Node]:
    """The calls of a functional model in an order in which they can be computed."""
    by_depth = getattr(net, "_nodes_by_depth", None)
    if by_depth is None:
        raise ExportError(f"--qat: network {net.name!r} is a {type(net).__name__}; supported are functional models, keras.Model(inputs, outputs)")
    nodes = [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth] if not node.is_input]
    calls = Counter(id(node.operation) for node in nodes)
    for node in nodes:
        if calls[id(node.operation)] > 1 and isinstance(node.operation, keras.layers.Layer) and node.operation.weights:
            raise operations.refusal(node.operation, f", called {calls[id(node.operation)]} times")
        if len(node.outputs) != 1:
            raise operations.refusal(node.operation, f" with {len(node.outputs)} outputs")
        if isinstance(node.operation, keras.layers.Dense) and len(node.input_tensors[0].shape) != 2:
            raise operations.refusal(node.operation, f" of a tensor of rank {len(node.input_tensors[0].shape)} where it must be 2")
        if operations.is_arithmetic(node.operation) and len(node.input_tensors) != 2:
            raise operations.refusal(node.operation, f" of {len(node.input_tensors)} tensors where there must be 2")
    return [Node(node.operation, tuple(id(tensor) for tensor in node.input_tensors), id(node.outputs[0])) for node in nodes]
