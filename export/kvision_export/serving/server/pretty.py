"""JSON as RapidJSON's PrettyWriter prints it: strings, numbers, and values inside error messages (json_tensor.cc, prettywriter.h)."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

INDENT = "    "
_DEBUG_BYTES = 256
"""TF Serving stops printing a value after so many bytes, at the next token: the text may be cut, a token never is."""
_ESCAPED = {code: f"\\u{code:04X}" for code in range(0x20)} | str.maketrans(
    {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)


def quoted(text: str) -> str:
    """A JSON string; only what must be escaped is, and `surrogateescape` bytes stay."""
    return f'"{text.translate(_ESCAPED)}"'


def number(value: float) -> str:
    """A double, the shortest that reads back, as `rapidjson::internal::dtoa` lays it out: `1e30`, `0.5`, `12.0`."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(map(str, digits))
    point = len(text) + int(exponent)
    minus = "-" if sign else ""
    if value == 0:
        return f"{minus}0.0"
    if len(text) <= point <= 21:
        return f"{minus}{text}{'0' * int(exponent)}.0"
    if 0 < point <= 21:
        return f"{minus}{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    mantissa = text if len(text) == 1 else f"{text[0]}.{text[1:]}"
    return f"{minus}{mantissa}e{point - 1}"


def is_integer(value: object, low: int, high: int) -> bool:
    """Whether RapidJSON holds a value as an integer in a range; what exceeds 64 bits it holds as a double."""
    return type(value) is int and low <= value <= high


def debug(value: object) -> str:
    """A value for an error message: arrays in one line, objects with one member a line, cut after 256 bytes."""
    writer = _Writer()
    writer.write(value)
    return "".join(writer.parts)


class _Writer:
    """PrettyWriter with `kFormatSingleLineArray` and a limit."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0

    def put(self, text: str) -> bool:
        """Adds a token with what stands before it; False once the limit is reached."""
        if self.size >= _DEBUG_BYTES:
            return False
        self.parts.append(text)
        self.size += len(text.encode("utf-8", "surrogateescape"))
        return True

    def write(self, value: object, before: str = "", depth: int = 0) -> bool:
        """Adds a value; False if it was cut."""
        if isinstance(value, dict):
            return self.members(value, before, depth)
        if isinstance(value, list):
            return (
                self.put(f"{before}[")
                and all(self.write(each, ", " if index else "", depth + 1) for index, each in enumerate(value))
                and self.put("]")
            )
        text = _scalar(value)
        return text is not None and self.put(before + text)

    def members(self, value: dict[str, Any], before: str, depth: int) -> bool:
        """Adds an object."""
        if not self.put(f"{before}{{"):
            return False
        for index, (key, each) in enumerate(value.items()):
            comma = "," if index else ""
            if not (self.put(f"{comma}\n{INDENT * (depth + 1)}{quoted(key)}") and self.write(each, ": ", depth + 1)):
                return False
        return self.put(f"\n{INDENT * depth}}}" if value else "}")


def _scalar(value: object) -> str | None:
    """A number, string, literal; None for what RapidJSON refuses to write, which ends the text."""
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if is_integer(value, -(2**63), 2**64 - 1):
        return str(value)
    real = float(value)  # type: ignore[arg-type]
    return number(real) if math.isfinite(real) else None
