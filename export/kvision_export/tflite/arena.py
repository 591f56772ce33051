"""How much memory the activations of a file take on a microcontroller, estimated as TensorFlow Lite Micro plans it.

Its GreedyMemoryPlanner takes the tensors from the largest to the smallest and gives each the lowest place that no tensor of the same time covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision_export.tflite import flatbuffer

if TYPE_CHECKING:
    from pathlib import Path

_ALIGNMENT = 16
_OF_TENSOR, _OF_OP = 64, 256
"""Bytes that the interpreter keeps for each tensor and op beside the activations, rounded up: an estimate."""


@dataclass(frozen=True)
class Life:
    """An activation.

    Attributes:
        size: Bytes, aligned.
        first: Number of the op that makes it; -1: an input.
        last: Number of the last op that reads it.
    """

    size: int
    first: int
    last: int


def estimate(path: Path) -> int:
    """Bytes of arena that the file needs, rounded up to whole KiB; the sum over several signatures' graphs.

    The kernels' scratch buffers, which depend on the build of TensorFlow Lite Micro, are not in it: add a tenth, and let
    `interpreter.arena_used_bytes()` tell the truth.
    """
    model = flatbuffer.parse(path.read_bytes())
    total = sum(plan(lives(model, graph)) + _OF_TENSOR * len(graph.tensors) + _OF_OP * len(graph.operators or ()) for graph in model.subgraphs)
    return -(-total // 1024) * 1024


def lives(model: Any, graph: Any) -> list[Life]:
    """From when to when each activation of a graph is needed."""
    operators = graph.operators or []
    inputs, outputs = (set(np.atleast_1d(edge).tolist()) for edge in (graph.inputs, graph.outputs))
    first = dict.fromkeys(inputs, -1)
    last = dict.fromkeys(outputs, len(operators))
    for number, operator in enumerate(operators):
        for index in np.atleast_1d(operator.outputs).tolist():
            first.setdefault(index, number)
            last.setdefault(index, number)
        for index in np.atleast_1d(operator.inputs).tolist():
            last[index] = max(last.get(index, -1), number)
    found = []
    for index, made in first.items():
        tensor = graph.tensors[index]
        if not flatbuffer.is_constant(model, tensor):
            size = prod(max(1, int(each)) for each in (tensor.shape if tensor.shape is not None else ())) * _width(tensor)
            found.append(Life(-(-size // _ALIGNMENT) * _ALIGNMENT, made, last.get(index, made)))
    return found


def plan(needed: list[Life]) -> int:
    """Bytes that the activations take when each has its place, reused by those of other times."""
    placed: list[tuple[int, Life]] = []
    for each in sorted(needed, key=lambda life: (-life.size, life.first)):
        offset = 0
        for start, other in sorted(((start, other) for start, other in placed if _overlap(each, other)), key=lambda pair: pair[0]):
            if offset + each.size <= start:
                break
            offset = max(offset, start + other.size)
        placed.append((offset, each))
    return max((offset + each.size for offset, each in placed), default=0)


def _overlap(one: Life, other: Life) -> bool:
    return one.first <= other.last and other.first <= one.last


def _width(tensor: Any) -> int:
    """Bytes of one value."""
    name = flatbuffer.dtype(tensor)
    return {"bool": 1, "int4": 1}.get(name) or int("".join(each for each in name if each.isdigit()) or 8) // 8
