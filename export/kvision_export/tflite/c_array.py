"""`--to c-array`: a LiteRT file as C++ source for TensorFlow Lite Micro, with what a firmware has to know of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kvision_export.errors import ExportError
from kvision_export.tflite import arena, flatbuffer, metadata

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_edge.manifest import Signature

_IN_A_LINE = 20
_ADDERS = {
    "CONV_2D": "AddConv2D",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "MAX_POOL_2D": "AddMaxPool2D",
    "L2_POOL_2D": "AddL2Pool2D",
    "BATCH_TO_SPACE_ND": "AddBatchToSpaceNd",
    "SPACE_TO_BATCH_ND": "AddSpaceToBatchNd",
    "L2_NORMALIZATION": "AddL2Normalization",
    "BATCH_MATMUL": "AddBatchMatMul",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
    "SELECT_V2": "AddSelectV2",
    "PADV2": "AddPadV2",
    "CUMSUM": "AddCumSum",
}
"""Methods of `MicroMutableOpResolver` that are not named as the rule would have it."""


def write(path: Path, folder: Path, name: str) -> tuple[Path, Path]:
    """Writes `<name>_model.h` and `<name>_model.cc`.

    Args:
        path: A .tflite file; a zip appended to it is left out.
        folder: Where to.
        name: Short name of the model, from which the C++ names are made.

    Returns:
        The header and the source.

    Raises:
        ExportError: If the file has ops that a microcontroller can't have.
    """
    facts, content = flatbuffer.inspect(path), metadata.model(path)
    if facts.custom_ops or facts.flex_ops:
        raise ExportError(f"c-array: {', '.join(facts.custom_ops + facts.flex_ops)} can't be had on microcontrollers; export without --allow-flex")
    stem = re.sub(r"\W", "_", name).lower()
    stem = f"m_{stem}" if stem[0].isdigit() else stem
    ops = sorted({op for part in facts.ops.values() for op in part})
    header, source = folder / f"{stem}_model.h", folder / f"{stem}_model.cc"
    header.write_text(_header(stem, path.name, ops, facts.signatures, len(content), arena.estimate(path)), encoding="utf-8")
    source.write_text(_source(stem, content), encoding="utf-8")
    return header, source


def adder(op: str) -> str:
    """The method of `MicroMutableOpResolver` that registers an op: `AddFullyConnected`."""
    return _ADDERS.get(op) or "Add" + "".join(part.capitalize() for part in op.split("_"))


def _header(stem: str, file: str, ops: list[str], signatures: dict[str, Signature], size: int, arena_bytes: int) -> str:
    edges = [
        f"//   {key}: {kind} `{name}` {tensor.dtype} [{', '.join(map(str, tensor.shape))}]{_quantization(tensor.scale, tensor.zero_point)}"
        for key, part in signatures.items()
        for kind, tensors in (("input", part.inputs), ("output", part.outputs))
        for name, tensor in tensors.items()
    ]
    registrations = "\n".join(f"//   resolver.{adder(op)}();" for op in ops)
    return f"""// {file} for TensorFlow Lite Micro. Written by kvision export; do not edit.
//
// Signatures, real = scale * (stored - zero_point):
{chr(10).join(edges)}
//
// Use:
//   #include "{stem}_model.h"
//   #include "tensorflow/lite/micro/micro_interpreter.h"
//   #include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
//
//   alignas(16) static uint8_t arena[{stem}_arena_bytes];
//   tflite::MicroMutableOpResolver<{stem}_num_ops> resolver;
{registrations}
//   tflite::MicroInterpreter interpreter(tflite::GetModel({stem}_model), resolver, arena, {stem}_arena_bytes);
//   interpreter.AllocateTensors();
//   interpreter.Invoke();
#pragma once

#include <cstddef>
#include <cstdint>

extern const uint8_t {stem}_model[];
constexpr std::size_t {stem}_model_bytes = {size};
// Kinds of ops: {", ".join(ops)}.
constexpr int {stem}_num_ops = {len(ops)};
// An estimate without the kernels' scratch buffers: start with a tenth more, and shrink it to interpreter.arena_used_bytes().
constexpr std::size_t {stem}_arena_bytes = {arena_bytes};
"""


def _source(stem: str, content: bytes) -> str:
    lines = (",".join(map(str, content[start : start + _IN_A_LINE])) for start in range(0, len(content), _IN_A_LINE))
    return f"""#include "{stem}_model.h"

// The flatbuffer's contents are aligned to 16 bytes, so the array must be.
alignas(16) extern const uint8_t {stem}_model[{len(content)}] = {{
{",".join(f"{chr(10) if number else ''}{line}" for number, line in enumerate(lines))}
}};
"""


def _quantization(scale: tuple[float, ...], zero_point: tuple[int, ...]) -> str:
    return f", scale {scale[0]!r}, zero_point {zero_point[0]}" if scale else ""
