"""Between JSON values and arrays (json_tensor.cc): what fits a dtype, what a list of lists' shape is, and what is said of a value that does not fit.

A value that fits is converted level by level at C's speed. Only of one that does not is each element looked at, to name the first wrong one.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from kvision_export.serving.server.pretty import debug, is_integer
from kvision_export.serving.server.status import Code, StatusError, invalid

_INT32 = (-(2**31), 2**31 - 1)
RANGES = {
    "int32": _INT32,
    "int16": _INT32,
    "int8": _INT32,
    "uint8": _INT32,
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
"""Integers that a dtype takes; TF Serving checks the short ones as int32 and then cuts their upper bits off."""
_JSON_TYPES = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
_MAX_DIMS = 64
"""numpy's largest rank; TensorFlow's is 254."""


@dataclass(frozen=True)
class Flat:
    """A tensor as JSON gives it: its shape, and its values in row-major order."""

    shape: tuple[int, ...]
    values: list[Any]

    def array(self, dtype: str) -> np.ndarray:
        """The values, which must fit, as an array of the dtype; strings are `object`s of bytes."""
        return as_array(self.values, self.shape, dtype)


def as_array(values: list[Any], shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Checked values as an array.

    Args:
        values: In row-major order.
        shape: Of the array.
        dtype: TensorFlow's name.

    Returns:
        An array of that shape.
    """
    if dtype == "string":
        flat = np.empty(len(values), object)
        flat[:] = values
    elif dtype == "bool":
        flat = np.array(values, bool)
    elif dtype in RANGES:
        flat = np.array(values, np.uint64 if dtype == "uint64" else np.int64).astype(dtype)
    else:
        with np.errstate(over="ignore"):  # a double too large for a float is infinite, as in C
            flat = np.array(values, np.float64).astype({"float": np.float32, "double": np.float64}[dtype])
    return flat.reshape(shape)


def type_name(value: object) -> str:
    """RapidJSON's name of a value's type."""
    return str(value) if isinstance(value, bool) else _JSON_TYPES[type(value)]


def is_base64(value: object) -> bool:
    """Whether a value is `{"b64": "..."}` and nothing else."""
    return type(value) is dict and len(value) == 1 and type(value.get("b64")) is str


def decode_base64(value: object) -> bytes:
    """The bytes of `{"b64": "..."}`.

    Args:
        value: Any JSON value.

    Returns:
        What was encoded; white space is ignored, and padding may be missing, but must be right if it is there.

    Raises:
        StatusError: If it is no such object, or not base64.
    """
    if not is_base64(value):
        raise invalid(f"JSON Value: {debug(value)} not formatted correctly for base64 data")
    text = b"".join(value["b64"].encode("utf-8", "surrogateescape").split())  # type: ignore[index]
    core = text.rstrip(b"=.")
    missing = -len(core) % 4
    try:
        if missing == 3 or len(text) - len(core) not in (0, missing):
            raise invalid("Unable to base64 decode")
        return base64.b64decode(core + b"=" * missing, validate=True)
    except binascii.Error:
        raise invalid("Unable to base64 decode") from None


def flatten(value: object, dtype: str) -> Flat:
    """A scalar, or a list of lists of one shape, checked against a dtype.

    Args:
        value: JSON.
        dtype: TensorFlow's name of the input's dtype: `float`, `int32`, `string` ...

    Returns:
        Shape and values; strings as bytes.

    Raises:
        StatusError: INVALID_ARGUMENT, about the first element that is at a wrong place or of a wrong type; UNIMPLEMENTED of other dtypes.
    """
    shape: list[int] = []
    level: list[Any] = [value]
    while level and type(level[0]) is list:
        if set(map(type, level)) != {list} or len(sizes := set(map(len, level))) != 1 or len(shape) >= _MAX_DIMS:
            return _search(value, dtype)
        shape.append(sizes.pop())
        level = list(chain.from_iterable(level))
    try:
        return Flat(tuple(shape), _fitting(level, dtype))
    except StatusError:
        return _search(value, dtype)


def _fitting(values: list[Any], dtype: str) -> list[Any]:
    """The values if all fit the dtype, with strings as bytes; else an error about whichever."""
    types = set(map(type, values))
    if dtype in ("float", "double") and types <= {int, float}:
        return values
    if dtype in RANGES and types <= {int} and (not values or (RANGES[dtype][0] <= min(values) and max(values) <= RANGES[dtype][1])):
        return values
    if dtype == "bool" and types <= {bool}:
        return values
    return [_checked(value, dtype) for value in values]


def _checked(value: object, dtype: str) -> Any:
    """One scalar, as it is kept."""
    if type(value) is dict and dtype == "string":
        return decode_base64(value)
    if dtype in ("float", "double"):
        fits = type(value) in (int, float)
    elif dtype in RANGES:
        fits = is_integer(value, *RANGES[dtype])
    elif dtype in ("string", "bool"):
        fits = type(value) is {"string": str, "bool": bool}[dtype]
    elif type(value) is not dict:
        raise StatusError(Code.UNIMPLEMENTED, f"Conversion of JSON Value: {debug(value)} to type: {dtype}")
    else:
        fits = False
    if not fits:
        raise invalid(f"JSON Value: {debug(value)} Type: {type_name(value)} is not of expected type: {dtype}")
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


def _search(value: object, dtype: str) -> Flat:
    """Walks a value in order, as `FillTensorProto` does, and raises at the first thing wrong."""
    shape = []
    head = value
    while isinstance(head, list):
        shape.append(len(head))
        if not head:
            break
        head = head[0]
    if len(shape) > _MAX_DIMS:
        raise invalid(f"JSON Value: {debug(value)} has more dimensions than a tensor may have, {_MAX_DIMS}")
    values: list[Any] = []
    _walk(value, 0, tuple(shape), dtype, values)
    return Flat(tuple(shape), values)


def _walk(value: object, level: int, shape: tuple[int, ...], dtype: str, values: list[Any]) -> None:
    rank = len(shape)
    if not isinstance(value, list):
        if level != rank:
            raise invalid(f"JSON Value: {debug(value)} found at incorrect level: {level + 1} in the JSON DOM. Expected at level: {rank}")
        values.append(_checked(value, dtype))
        return
    if level >= rank:
        raise invalid(f"Encountered list at unexpected level: {level} expected < {rank}")
    if len(value) != shape[level]:
        raise invalid(f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}")
    for each in value:
        _walk(each, level + 1, shape, dtype, values)
