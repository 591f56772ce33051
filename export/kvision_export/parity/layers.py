"""Which layers lose most: every tensor of a quantized file beside the same tensor of the fp32 file, for the same inputs.

The files of one network name their tensors alike. A tensor's loss is the share of its channels' variation that the error makes up, so a layer one
of whose channels is a thousand times the others shows, although the error of the tensor as a whole is small. What a layer adds is its loss less
that of its inputs.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision_export.parity import runner
from kvision_export.tflite import flatbuffer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

EXAMPLES = 8
_SUFFIX = re.compile(r"_(de)?quantized?$")
_FLOOR = 1e-3


@dataclass(frozen=True)
class LayerLoss:
    """What quantization costs at one layer.

    Attributes:
        signature: The function it belongs to.
        op: Kind of operation that makes the tensor, such as `CONV_2D`.
        name: The tensor's name in the file.
        loss: Mean over the channels of error² / variance, each at most 1.
        added: What this layer adds to the loss of its inputs.
        sqnr_db: Signal to quantization noise of the whole tensor, decibels.
        touching: Output tensors of the operations that make and use this tensor: with these in float it is not quantized at all.
    """

    signature: str
    op: str
    name: str
    loss: float
    added: float
    sqnr_db: float
    touching: tuple[str, ...]

    @property
    def layer(self) -> str:
        """The name for people: the first of those that were fused."""
        return self.name.split(";")[0]


@dataclass(frozen=True)
class _Op:
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class _Graph:
    """The operations of one signature of a file, the tensors by number and name."""

    ops: tuple[_Op, ...]
    names: Mapping[int, str]
    subgraph: int


def rank(exact: Path, quantized: Path, inputs: Mapping[str, Mapping[str, np.ndarray]], *, examples: int = EXAMPLES) -> list[LayerLoss]:
    """Compares two files tensor by tensor.

    Args:
        exact: The fp32 file.
        quantized: Another file of the same network.
        inputs: `[N, ...]` by signature and input name, real values.
        examples: How many of them to use.

    Returns:
        The layers that both files have, what adds most loss first.

    Raises:
        ExportError: If a file can't be run.
    """
    one, other = _Inspected(exact), _Inspected(quantized)
    found = []
    for signature in one.graphs:
        if signature not in inputs or signature not in other.graphs:
            continue
        count = min(examples, *(len(value) for value in inputs[signature].values()))
        sums: dict[str, _Channels] = defaultdict(_Channels)
        for place in range(count):
            example = {name: value[place : place + 1] for name, value in inputs[signature].items()}
            mine, theirs = one.tensors(signature, example), other.tensors(signature, example)
            for name in mine.keys() & theirs.keys():
                if mine[name].shape == theirs[name].shape and mine[name].size:
                    sums[name].add(mine[name], theirs[name])
        found += _losses(signature, one.graphs[signature], sums)
    return sorted(found, key=lambda each: -each.added)


def unmarked(name: str) -> str:
    """A tensor's name without the marks that quantizers add: as the fp32 file has it."""
    return _SUFFIX.sub("", name)


def _losses(signature: str, graph: _Graph, sums: Mapping[str, _Channels]) -> list[LayerLoss]:
    losses = {name: channels.loss() for name, channels in sums.items()}
    found = []
    for op in graph.ops:
        before = max((losses.get(graph.names[number], 0.0) for number in op.inputs), default=0.0)
        for number in op.outputs:
            name = graph.names[number]
            if name in losses:
                users = [each for each in graph.ops if number in each.inputs]
                touching = tuple(dict.fromkeys(graph.names[each.outputs[0]] for each in (op, *users)))
                found.append(LayerLoss(signature, op.kind, name, losses[name], max(losses[name] - before, 0.0), sums[name].sqnr_db(), touching))
    return found


class _Inspected:
    """An interpreter that keeps every tensor, with the file's graph."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        runner.Runner(path)  # says in words what is wrong with the file, if something is
        # Delegates would swallow the tensors inside.
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._interpreter = Interpreter(str(path), experimental_preserve_all_tensors=True, experimental_op_resolver_type=plain)
        self._interpreter.allocate_tensors()
        self.graphs = _graphs(path)
        self._functions = {name: self._interpreter.get_signature_runner(name) for name in self.graphs}

    def tensors(self, signature: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Real values of what the operations of a function make of one example, by name."""
        function, graph = self._functions[signature], self.graphs[signature]
        given = {name: runner.tensor_facts(details) for name, details in function.get_input_details().items()}
        function(**{name: runner.quantize(inputs[name], tensor) for name, tensor in given.items()})
        details = {int(each["index"]): each for each in self._interpreter.get_tensor_details(graph.subgraph)}
        found = {}
        for number in (number for op in graph.ops for number in op.outputs):
            value = self._interpreter.get_tensor(number, graph.subgraph)
            if value.dtype.kind in "fiu":
                found[graph.names[number]] = np.asarray(runner.dequantize(value, runner.tensor_facts(details[number])), np.float64)
        return found


class _Channels:
    """Sums for each channel, the last dimension, over examples."""

    def __init__(self) -> None:
        self._sums: Any = 0.0

    def add(self, exact: np.ndarray, found: np.ndarray) -> None:
        """Adds one example."""
        exact, found = (value.reshape(-1, value.shape[-1] if value.ndim > 1 else 1) for value in (exact, found))
        self._sums = self._sums + np.stack([np.full(exact.shape[1], len(exact)), exact.sum(0), (exact**2).sum(0), ((found - exact) ** 2).sum(0)])

    def loss(self) -> float:
        """As `LayerLoss.loss`; channels that do not vary are measured against the others."""
        count, total, squares, errors = self._sums
        variance = np.maximum(squares / count - (total / count) ** 2, 0.0)
        floor = _FLOOR * float(np.median(variance)) + np.finfo(np.float32).tiny
        return float(np.mean(np.minimum(np.nan_to_num(errors / count / (variance + floor), nan=1.0), 1.0)))

    def sqnr_db(self) -> float:
        """As `LayerLoss.sqnr_db`, at most 200."""
        _, _, squares, errors = self._sums
        return float(min(10 * np.log10((squares.sum() + 1e-30) / (errors.sum() + 1e-30)), 200.0))


def _graphs(path: Path) -> dict[str, _Graph]:
    """The operations of each signature, in order; tensor names without the marks that quantizers add."""
    model = flatbuffer.parse(path.read_bytes())
    kinds = [flatbuffer.op_name(code) for code in model.operatorCodes]
    found = {}
    for signature in model.signatureDefs or ():
        graph = model.subgraphs[signature.subgraphIndex]
        names = {number: unmarked(tensor.name.decode()) for number, tensor in enumerate(graph.tensors)}
        # An input that an op leaves out, such as a bias, has the number -1.
        ops = tuple(_Op(kinds[op.opcodeIndex], tuple(n for n in op.inputs if n >= 0), tuple(op.outputs)) for op in graph.operators or ())
        found[signature.signatureKey.decode()] = _Graph(ops, names, signature.subgraphIndex)
    return found
