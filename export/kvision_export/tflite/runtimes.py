"""What each runtime can hold, and what computes wrongly there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision_export.tflite import op_versions

if TYPE_CHECKING:
    from collections.abc import Collection

    from kvision_export.formats import Format
    from kvision_export.tflite.flatbuffer import FileFacts

RUNTIMES = {"2.14": "2.14", "2.17": "2.17", "litert2": "2.21"}
"""The newest op versions that each target has, by the TensorFlow release that brought them."""


def refusal(format: Format, runtime: str) -> str | None:  # noqa: A002 - the name of the option
    """Why a format can't be had for a runtime, known before anything is converted."""
    if format.weights == "int4" and runtime != "litert2":
        return f"{format.name} can't be had for --runtime {runtime}: files of litert-quantizer compute wrong numbers there; use tflite-int8"
    return None


def problem(
    facts: FileFacts,
    format: Format,  # noqa: A002
    runtime: str,
    *,
    allow_flex: bool,
    keep_float: Collection[str],
    notes: list[str],
) -> str | None:
    """Why a file must not be used; what is only worth knowing is added to the notes."""
    if facts.variable_ops:
        return f"{format.name}: {', '.join(facts.variable_ops)} stand in the file; such files return NaN. This is a fault of the exporter: report it"
    foreign = facts.custom_ops + ([] if allow_flex else facts.flex_ops)
    if foreign:
        return f"{format.name}: {', '.join(foreign)} stand in the file, which LiteRT does not have; change the layer, or give --allow-flex"
    if op_versions.ordered(facts.minimum_runtime) > op_versions.ordered(RUNTIMES[runtime]):
        return f"{format.name}: needs runtime {facts.minimum_runtime}, and --runtime {runtime} was asked for"
    if format.edges == "int8" and facts.float_ops and not keep_float:
        return f"{format.name}: {len(facts.float_ops)} ops stay in float ({', '.join(facts.float_ops[:5])}); use tflite-int8"
    if format.calibrated and facts.float_ops:
        notes.append(f"{len(facts.float_ops)} ops stay in float: {', '.join(facts.float_ops[:5])}")
    return None
