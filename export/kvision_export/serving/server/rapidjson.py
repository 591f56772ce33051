"""JSON as RapidJSON 1.1.0 reads it with TF Serving's flags (iterative, NaN and Inf, stop when done): what it takes, and its errors.

Python's own parser reads the bodies on which the two agree, at its speed; all others are read here, about ten times slower. Strings are
UTF-8 with `surrogateescape`, because RapidJSON passes bytes through unchecked.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from kvision_export.serving.server.status import StatusError, invalid

_SPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_DIGITS = re.compile(rb"[0-9]*")
_HEX = re.compile(rb"[0-9a-fA-F]{4}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_LARGE = re.compile(rb"[eE]\+?[0-9]{3}")
_ZEROS = bytes(48 if 48 <= byte <= 57 else byte for byte in range(256))
_ESCAPES = {b'"': b'"', b"/": b"/", b"\\": b"\\", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_LITERALS: dict[bytes, tuple[bytes, Any]] = {b"n": (b"null", None), b"t": (b"true", True), b"f": (b"false", False)}
_WRONG = {
    "start": "The document is empty.",
    "object": "Missing a name for object member.",
    "member,": "Missing a name for object member.",
    "key": "Missing a colon after a name of object member.",
    "member": "Missing a comma or '}' after an object member.",
    "colon": "Invalid value.",
    "array": "Invalid value.",
    "element,": "Invalid value.",
    "element": "Missing a comma or ']' after an array element.",
}
"""By what was read last: what is wrong with a token, or the end, that may not follow."""


def parse(body: bytes) -> Any:
    """The first JSON value of a body; what follows it is ignored, and of equal keys the first counts.

    Args:
        body: UTF-8, with or without a byte order mark.

    Returns:
        `dict`, `list`, `str`, `int`, `float`, `bool` or None.

    Raises:
        StatusError: INVALID_ARGUMENT with RapidJSON's message and offset in bytes.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    if not _is_judged_differently(body):
        try:
            text = body.decode("utf-8", "surrogateescape").removeprefix("\ufeff").lstrip(" \t\r\n")
            return _PYTHON.raw_decode(text)[0]
        except (ValueError, RecursionError):
            pass
    return _Reader(body).read()


def _is_judged_differently(body: bytes) -> bool:
    """Whether Python and RapidJSON may disagree: on lone surrogates, on numbers near the end of a double, and on NUL."""
    return bool(b"\x00" in body or _SURROGATE.search(body) or _LARGE.search(body) or b"0" * 300 in body.translate(_ZEROS))


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else dict(reversed(pairs))


_PYTHON = json.JSONDecoder(object_pairs_hook=_first_wins)


def _error(message: str, offset: int) -> StatusError:
    return invalid(f"JSON Parse error: {message} at offset: {offset}")


class _Reader:
    """The iterative parser (reader.h), without recursion, so that depth costs no stack."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.at = 3 if body.startswith(b"\xef\xbb\xbf") else 0

    def peek(self) -> bytes:
        """The byte that comes next; NUL at the end."""
        return self.body[self.at : self.at + 1] or b"\x00"

    def read(self) -> Any:
        """The value at the start of the body."""
        open_values: list[Any] = []  # each array and object that is not closed yet
        keys: list[str] = []
        state = "start"
        value: Any
        while True:
            self.at = _SPACE.match(self.body, self.at).end()  # type: ignore[union-attr]
            token = self.peek()
            if state in ("start", "colon", "array", "element,") and token not in b"]},:\x00":
                if token in b"[{":
                    value = [] if token == b"[" else {}
                    open_values.append(value)
                    state = "array" if token == b"[" else "object"
                    self.at += 1
                    continue
                value = self.scalar(token)
            elif state in ("object", "member,") and token == b'"':
                keys.append(self.string())
                state = "key"
                continue
            elif (state, token) in _DELIMITERS:
                state = _DELIMITERS[state, token]
                self.at += 1
                continue
            elif (state, token) in _CLOSES:
                value = open_values.pop()
                self.at += 1
            else:
                raise _error(_WRONG[state], self.at)
            if not open_values:
                return value
            state = _put(open_values[-1], keys, value)

    def scalar(self, token: bytes) -> Any:
        """A string, literal or number."""
        if token == b'"':
            return self.string()
        if token in _LITERALS:
            word, value = _LITERALS[token]
            self.expect(word)
            return value
        return self.number()

    def expect(self, word: bytes) -> None:
        """Takes a word, whose first letter is known to be there."""
        for letter in word:
            if self.peek()[0] != letter:
                raise _error("Invalid value.", self.at)
            self.at += 1

    def string(self) -> str:
        """A string with its quotation marks."""
        self.at += 1
        parts = []
        while True:
            end = _PLAIN.match(self.body, self.at).end()  # type: ignore[union-attr]
            parts.append(self.body[self.at : end])
            self.at = end
            token = self.peek()
            if token == b'"':
                self.at += 1
                return b"".join(parts).decode("utf-8", "surrogateescape")
            if token == b"\x00":
                raise _error("Missing a closing quotation mark in string.", self.at)
            if token != b"\\":
                raise _error("Invalid escape character in string.", self.at)
            parts.append(self.escape())

    def escape(self) -> bytes:
        """What stands after a backslash; errors are told at the backslash."""
        start = self.at
        self.at += 1
        letter = self.peek()
        self.at += 1
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if letter != b"u":
            raise _error("Invalid escape character in string.", start)
        point = self.hex4(start)
        if 0xD800 <= point <= 0xDBFF:
            if self.body[self.at : self.at + 2] != b"\\u":
                raise _error("The surrogate pair in string is invalid.", start)
            self.at += 2
            low = self.hex4(start)
            if not 0xDC00 <= low <= 0xDFFF:
                raise _error("The surrogate pair in string is invalid.", start)
            point = 0x10000 + ((point - 0xD800) << 10 | (low - 0xDC00))
        return chr(point).encode("utf-8", "surrogatepass")

    def hex4(self, start: int) -> int:
        """Four hexadecimal digits."""
        match = _HEX.match(self.body, self.at)
        if not match:
            raise _error("Incorrect hex digit after \\u escape in string.", start)
        self.at = match.end()
        return int(match[0], 16)

    def digits(self) -> bytes:
        """As many decimal digits as there are."""
        match = _DIGITS.match(self.body, self.at)
        self.at = match.end()  # type: ignore[union-attr]
        return match[0]  # type: ignore[index]

    def number(self) -> int | float:
        """A number; too large an integer becomes a float, as in RapidJSON."""
        start = self.at
        minus = self.peek() == b"-"
        self.at += minus
        if self.peek() in b"IN":
            return self.not_finite(minus)
        if self.peek() == b"0":
            self.at += 1
            whole = b"0"
        else:
            whole = self.digits()
            if not whole:
                raise _error("Invalid value.", self.at)
        fraction, exponent = self.fraction(), self.exponent()
        too_long = len(whole) > 20 and float(whole[:-1]) >= 1.7976931348623157e307
        if too_long or (exponent or 0) > 308 + len(fraction or b""):
            raise _error("Number too big to be stored in double.", start)
        text = self.body[start : self.at]
        if fraction is None and exponent is None and -(2**63) <= (value := int(text)) < 2**64:
            return value
        return float(text)

    def fraction(self) -> bytes | None:
        """The digits after the point; None without a point."""
        if self.peek() != b".":
            return None
        self.at += 1
        digits = self.digits()
        if not digits:
            raise _error("Miss fraction part in number.", self.at)
        return digits

    def exponent(self) -> int | None:
        """The power of ten; None without."""
        if self.peek() not in b"eE":
            return None
        self.at += 1
        sign = self.peek() if self.peek() in b"+-" else b""
        self.at += len(sign)
        digits = self.digits()
        if not digits:
            raise _error("Miss exponent in number.", self.at)
        size = min(int(digits[:4000]), 10**6)
        return -size if sign == b"-" else size

    def not_finite(self, minus: bool) -> float:
        """`NaN`, `Inf` or `Infinity`."""
        if self.peek() == b"N":
            self.expect(b"NaN")
            return math.nan
        self.expect(b"Inf")
        if self.peek() == b"i":
            self.expect(b"inity")
        return -math.inf if minus else math.inf


_DELIMITERS = {("key", b":"): "colon", ("member", b","): "member,", ("element", b","): "element,"}
_CLOSES = {("object", b"}"), ("member", b"}"), ("array", b"]"), ("element", b"]")}


def _put(parent: list[Any] | dict[str, Any], keys: list[str], value: object) -> str:
    """Adds a finished value to what it stands in; returns the state of that."""
    if isinstance(parent, list):
        parent.append(value)
        return "element"
    parent.setdefault(keys.pop(), value)
    return "member"
