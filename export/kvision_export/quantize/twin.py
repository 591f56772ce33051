"""The twin of a network: the same layers and variables, computing as the int8 file will."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import keras

from kvision_export.quantize import graph, operations, products
from kvision_export.quantize.rounding import Range
from kvision_export.quantize.steps import Plain, Weighted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kvision_export.quantize.graph import Group


def make(net: keras.Model) -> keras.Model:
    """The twin of a network.

    Args:
        net: A functional model. Its layers and variables are the twin's too: training the twin trains it.

    Returns:
        A functional model with the same inputs and the same names of outputs; it rounds, but its ranges are still to be learnt.

    Raises:
        ExportError: If a layer can't be rounded; names the layer and what can.
    """
    found, made = graph.groups(net), _Tensors()
    inputs = keras.tree.map_structure(made.take, net.input)
    for group in found:
        made.add(group)
    return keras.Model(inputs, keras.tree.map_structure(lambda tensor: made.tensors[id(tensor)], net.output), name=net.name)


def ranges(twin: keras.Model) -> list[Range]:
    """The ranges of a twin's activations."""
    return list({id(layer): layer for layer in twin._flatten_layers() if isinstance(layer, Range)}.values())


@contextlib.contextmanager
def calibrating(twins: Sequence[keras.Model]) -> Iterator[None]:
    """Meanwhile the twins compute without rounding, as the networks that they were made of, and their ranges learn; for graphs traced inside."""
    found = [layer for twin in twins for layer in twin._flatten_layers() if isinstance(layer, (Range, Weighted))]
    for layer in found:
        layer.calibrating = True
    try:
        yield
    finally:
        for layer in found:
            layer.calibrating = False


def settle(twin: keras.Model) -> None:
    """Ends the training of a twin: its weights become constants on their grids, as a converter wants them."""
    for layer in twin._flatten_layers():
        if isinstance(layer, Weighted):
            layer.settle()


def is_settled(net: keras.Model) -> bool:
    """Whether a network is such a twin, so that a converter needs no representative data: the ranges are in its graph."""
    return any(isinstance(layer, Weighted) and layer.settled is not None for layer in net._flatten_layers())


class _Tensors:
    """The twin's tensors, and the grids that they lie on, by the ids of the network's."""

    def __init__(self) -> None:
        self.tensors: dict[int, keras.KerasTensor] = {}
        self._grids: dict[int, Range | None] = {}
        self._names: set[str] = set()

    def take(self, tensor: keras.KerasTensor) -> keras.KerasTensor:
        """An input like the network's, rounded to the range that calibration finds."""
        made = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
        grid = Range(frozen=True, name=self._name(f"{tensor.name}_range"))
        self.tensors[id(tensor)], self._grids[id(tensor)] = grid(made), grid
        return made

    def add(self, group: Group) -> None:
        """The layers of one group."""
        if group.kind in ("weighted", "norm"):
            self._add_weighted(group)
        elif group.kind == "activation":
            name = operations.activation(group.first.operation) or ""
            x, grid = self._activated(self.tensors[group.first.inputs[0]], name, group.name)
            self.tensors[group.output], self._grids[group.output] = x, grid
        else:
            self._add_plain(group)

    def _add_weighted(self, group: Group) -> None:
        layer = group.first.operation
        *before, last = products.of(layer)
        x = self.tensors[group.first.inputs[0]]
        for product in before:
            name = f"{layer.name}_depthwise"
            x = Weighted(product, [layer], norm=None, activation="linear", output=self._grid(name), name=self._name(name))(x)
        name = f"{group.name}_linear" if group.tail else group.name
        grid = None if group.joined else self._grid(name)
        x = Weighted(last, [layer], norm=group.norm, activation=group.activation, output=grid, name=self._name(name))(x)
        if group.tail:
            x, grid = self._activated(x, group.tail, group.name)
        self.tensors[group.output], self._grids[group.output] = x, grid

    def _add_plain(self, group: Group) -> None:
        before = self._grids[group.first.inputs[0]]
        own = self._grid(group.name) if group.kind == "own" and not group.joined else None
        same = before if group.kind == "same" else None
        layer = Plain(group.first.operation, activation=group.activation, output=own, same=same, name=self._name(group.name))
        self.tensors[group.output] = layer(*(self.tensors[tensor] for tensor in group.first.inputs))
        self._grids[group.output] = own if group.kind == "own" else before

    def _activated(self, x: keras.KerasTensor, activation: str, name: str) -> tuple[keras.KerasTensor, Range]:
        """An activation that is an operation of its own; `silu` is two, `x * sigmoid(x)`."""
        if activation == "silu":
            gate = Plain(
                keras.layers.Activation("sigmoid"), output=self._grid(f"{name}_gate", operations.FIXED["sigmoid"]), name=self._name(f"{name}_gate")
            )
            grid = self._grid(name)
            return Plain(keras.layers.Multiply(), output=grid, name=self._name(name))(x, gate(x)), grid
        grid = self._grid(name, operations.FIXED.get(activation))
        return Plain(keras.layers.Activation(activation), output=grid, name=self._name(name))(x), grid

    def _grid(self, name: str, fixed: tuple[float, float] | None = None) -> Range:
        return Range(fixed, name=self._name(f"{name}_range"))

    def _name(self, wanted: str) -> str:
        """The name, or one with a number: a layer without weights may be called several times."""
        number, name = 1, wanted
        while name in self._names:
            name, number = f"{wanted}_{number}", number + 1
        self._names.add(name)
        return name
