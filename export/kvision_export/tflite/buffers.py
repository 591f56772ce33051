"""Flatbuffers written anew: every weight stored once, and several files made one."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np

from kvision_export.tflite import flatbuffer

_ALIGNMENT = 16
"""Bytes to whose multiples the schema aligns the contents of buffers."""


def compact(content: bytes) -> bytes:
    """Stores every weight once, inside the flatbuffer and aligned to 16 bytes as the schema demands.

    The converters leave weights that several signatures share in the file as often as they are used, or at odd addresses, which fast kernels and
    microcontrollers stumble over; litert-quantizer puts them behind the flatbuffer, where runtimes before 2.15 do not find them.

    Args:
        content: A .tflite file without a zip appended.

    Returns:
        The same model.
    """
    model = flatbuffer.parse(content)
    first: dict[bytes, int] = {}
    own = {each.buffer for each in model.metadata or ()}
    place: list[int] = []
    kept: list[Any] = []
    for number, buffer in enumerate(model.buffers):
        buffer.offset = buffer.size = 0
        data = b"" if buffer.data is None else bytes(buffer.data)
        # Empty buffers stand for tensors that are computed, and the first one for no buffer at all.
        index = first.setdefault(data, len(kept)) if data and number not in own else len(kept)
        place.append(index)
        if index == len(kept):
            kept.append(buffer)
    model.buffers = kept
    for each in [tensor for graph in model.subgraphs for tensor in graph.tensors] + list(model.metadata or ()):
        each.buffer = place[each.buffer]
    return _packed(model, len(content))


def merge(contents: list[bytes]) -> bytes:
    """One file with the signatures of several, whose names differ."""
    first, *others = (flatbuffer.parse(content) for content in contents)
    for model in others:
        ops, graphs, buffers = len(first.operatorCodes), len(first.subgraphs), len(first.buffers)
        for graph in model.subgraphs:
            for tensor in graph.tensors:
                tensor.buffer += buffers
            for operator in graph.operators or ():
                operator.opcodeIndex += ops
                options = operator.builtinOptions
                # Of loops and branches: the subgraphs that they run.
                for name in [each for each in vars(options) if each.endswith("SubgraphIndex")] if options is not None else []:
                    setattr(options, name, getattr(options, name) + graphs)
        for definition in model.signatureDefs:
            definition.subgraphIndex += graphs
        first.operatorCodes += model.operatorCodes
        first.subgraphs += model.subgraphs
        first.buffers += model.buffers
        first.signatureDefs += model.signatureDefs
    return _packed(first, sum(map(len, contents)))


def _packed(model: Any, size: int) -> bytes:
    builder = _Builder(size)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class _Builder(flatbuffers.Builder):
    """Aligns the contents of buffers as the schema demands; the schema's Python code does not."""

    def CreateNumpyVector(self, x: np.ndarray) -> Any:  # noqa: N802 - the library's name
        if x.dtype == np.uint8:
            self.Prep(_ALIGNMENT, len(x))
        return super().CreateNumpyVector(x)
