"""The answers of `:predict`, `:classify` and `:regress`, to the letter as TF Serving prints them (json_tensor.cc)."""

from __future__ import annotations

import base64
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision_export.serving.server.json_request import Layout
from kvision_export.serving.server.model import array_dtype
from kvision_export.serving.server.pretty import INDENT, quoted
from kvision_export.serving.server.status import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_INTEGERS = {"int32", "int16", "int8", "uint8", "int64", "uint32", "uint64"}


def error(message: str) -> str:
    """The body of every answer that is not a success."""
    return f'{{\n{INDENT}"error": {quoted(message)}\n}}'


def predictions(outputs: Mapping[str, np.ndarray], layout: Layout) -> str:
    """The body of a `:predict` answer.

    Args:
        outputs: Arrays by name; strings are `object`s of bytes, base64 where the name ends in `_bytes`.
        layout: Of the request.

    Returns:
        JSON, with NaN and Infinity bare; a single output without its name.

    Raises:
        StatusError: If an output has no first dimension (rows), differs in it, or is of a dtype that JSON does not know.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    names = sorted(outputs)
    if layout is Layout.COLUMNS:
        return f'{{\n{INDENT}"outputs": {_columns(outputs, names)}\n}}'
    return f'{{\n{INDENT}"predictions": {_rows(outputs, names)}\n}}'


def _columns(outputs: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    if len(names) == 1:
        return _lay_out(outputs[names[0]], names[0], depth=1, single_line=False)[0]
    members = [f"{INDENT * 2}{quoted(name)}: {_lay_out(outputs[name], name, depth=2, single_line=False)[0]}" for name in names]
    return "{\n" + ",\n".join(members) + f"\n{INDENT}}}"


def _rows(outputs: Mapping[str, np.ndarray], names: Sequence[str]) -> str:
    batch = -1
    for name in names:
        if outputs[name].ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        size = len(outputs[name])
        if batch not in (-1, size):
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {size} expecting: {batch}")
        batch = size
    if batch == 0:
        return "[]"
    if len(names) == 1:
        return f"[{', '.join(_lay_out(outputs[names[0]], names[0], depth=2, single_line=True, keep=1))}\n{INDENT}]"
    columns = [_lay_out(outputs[name], name, depth=3, single_line=True, keep=1) for name in names]
    objects = [
        f"{INDENT * 2}{{\n" + ",\n".join(f"{INDENT * 3}{quoted(name)}: {text}" for name, text in zip(names, row, strict=True)) + f"\n{INDENT * 2}}}"
        for row in zip(*columns, strict=True)
    ]
    return "[\n" + ",\n".join(objects) + f"\n{INDENT}]"


def _lay_out(array: np.ndarray, name: str, *, depth: int, single_line: bool, keep: int = 0) -> list[str]:
    """An array as JSON.

    Args:
        array: Of any shape.
        name: Of the output.
        depth: How many arrays and objects the text will stand in.
        single_line: Whether arrays are printed in one line.
        keep: How many leading dimensions are left apart.

    Returns:
        One text for each index of the dimensions left apart; one in all if none is.
    """
    texts = _leaves(array, name, depth + array.ndim - keep)
    for axis in reversed(range(keep, array.ndim)):
        size, count = array.shape[axis], math.prod(array.shape[:axis])
        level = depth + axis - keep
        start, comma, end = ("[", ", ", "]") if single_line else (f"[\n{INDENT * (level + 1)}", f",\n{INDENT * (level + 1)}", f"\n{INDENT * level}]")
        texts = [start + comma.join(texts[i * size : (i + 1) * size]) + end for i in range(count)] if size else ["[]"] * count
    return texts


def _leaves(array: np.ndarray, name: str, depth: int) -> list[str]:
    flat = array.reshape(-1)
    dtype = array.dtype
    if dtype in (np.float32, np.float64):
        return decimals(flat)
    if dtype.name in _INTEGERS:
        return [str(value) for value in flat.tolist()]
    if dtype.kind == "b":
        return ["true" if value else "false" for value in flat.tolist()]
    if dtype.kind == "O" and name.endswith("_bytes"):
        pad = INDENT * depth
        return [f'{{\n{pad}{INDENT}"b64": "{base64.b64encode(value).decode()}"\n{pad}}}' for value in flat]
    if dtype.kind == "O":
        return [quoted(value.decode("utf-8", "surrogateescape")) for value in flat]
    raise invalid(f"Failed to write JSON value for tensor type: {array_dtype(array)}")


def decimals(values: np.ndarray) -> list[str]:
    """Floats as TF Serving prints them (`WriteDecimal`): six digits if they are enough to read the value back, else 9 (float) or 17 (double).

    Args:
        values: `[N]`, float32 or float64.

    Returns:
        N texts: `0.5`, `9e+06`, `0.30000001`, `NaN`, `-Infinity`.
    """
    texts = [f"{value:.6g}" for value in values.tolist()]
    short = np.array([float(text) for text in texts]).astype(values.dtype)
    full = "%.9g" if values.dtype == np.float32 else "%.17g"
    for index in np.flatnonzero((short != values) & np.isfinite(values)).tolist():
        texts[index] = full % float(values[index])
    for index in np.flatnonzero(~np.isfinite(values)).tolist():
        value = float(values[index])
        texts[index] = "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return [text if "." in text or "e" in text or text[-1] in "Ny" else f"{text}.0" for text in texts]


def classes(result: Any) -> str:
    """The body of a `:classify` answer.

    Args:
        result: A `ClassificationResult`.

    Returns:
        For each example a list of `[label, score]`.
    """
    rows = []
    for row in result.classifications:
        scores = decimals(np.array([each.score for each in row.classes], np.float32))
        rows.append("[" + ", ".join(f"[{quoted(each.label)}, {score}]" for each, score in zip(row.classes, scores, strict=True)) + "]")
    return f'{{\n{INDENT}"results": [{", ".join(rows)}\n{INDENT}]\n}}'


def values(result: Any) -> str:
    """The body of a `:regress` answer, one number an example.

    Args:
        result: A `RegressionResult`.

    Returns:
        JSON.
    """
    return f'{{\n{INDENT}"results": [{", ".join(decimals(np.array([each.value for each in result.regressions], np.float32)))}]\n}}'
