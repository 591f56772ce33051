"""JSON as RapidJSON reads it. The messages are error/en.h's, the offsets were worked out by hand from reader.h."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from kvision_export.serving.server.pretty import debug, number, quoted
from kvision_export.serving.server.rapidjson import _Reader, parse
from kvision_export.serving.server.status import Code, StatusError

WRONG = [
    ("", "The document is empty", None),
    ("  \n", "The document is empty.", 3),
    ("]", "The document is empty.", 0),
    ("instances = [1, 2]", "Invalid value.", 0),
    ("{", "Missing a name for object member.", 1),
    ("{1: 2}", "Missing a name for object member.", 1),
    ('{"a": 1, }', "Missing a name for object member.", 9),
    ('{"a"}', "Missing a colon after a name of object member.", 4),
    ('{"a": }', "Invalid value.", 6),
    ('{"a": 1 "b"}', "Missing a comma or '}' after an object member.", 8),
    ("[1 2]", "Missing a comma or ']' after an array element.", 3),
    ("[1, 2", "Missing a comma or ']' after an array element.", 5),
    ("[1,]", "Invalid value.", 3),
    ("[,]", "Invalid value.", 1),
    ("[nul]", "Invalid value.", 4),
    ("[truth]", "Invalid value.", 4),
    ("[-]", "Invalid value.", 2),
    ("[+1]", "Invalid value.", 1),
    ("[.5]", "Invalid value.", 1),
    ("[1.]", "Miss fraction part in number.", 3),
    ("[1e]", "Miss exponent in number.", 3),
    ("[1e+]", "Miss exponent in number.", 4),
    ("[01]", "Missing a comma or ']' after an array element.", 2),
    ("[1, 2e999]", "Number too big to be stored in double.", 4),
    (f"[{'9' * 400}]", "Number too big to be stored in double.", 1),
    ("[Infinite]", "Invalid value.", 8),
    ("[NaM]", "Invalid value.", 3),
    ('["abc', "Missing a closing quotation mark in string.", 5),
    ('["a\tb"]', "Invalid escape character in string.", 3),
    ('["a\\x"]', "Invalid escape character in string.", 3),
    ('["\\u12G4"]', "Incorrect hex digit after \\u escape in string.", 2),
    ('["\\ud800"]', "The surrogate pair in string is invalid.", 2),
    ('["\\ud800\\u0041"]', "The surrogate pair in string is invalid.", 2),
]


@pytest.mark.parametrize(("body", "message", "offset"), WRONG)
def test_error_and_offset(body: str, message: str, offset: int | None) -> None:
    with pytest.raises(StatusError) as error:
        parse(body.encode())
    place = "" if offset is None else f" at offset: {offset}"
    assert (error.value.code, error.value.message) == (Code.INVALID_ARGUMENT, f"JSON Parse error: {message}{place}")


def test_offsets_are_in_bytes_and_count_the_byte_order_mark() -> None:
    with pytest.raises(StatusError, match="at offset: 9"):
        parse(b"\xef\xbb\xbf" + '["é" 1]'.encode())


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1, "a": 2}', {"a": 1}),
        (b'{"a": 1} and so on', {"a": 1}),
        (b"[-0, 0, 1.0, 1e2]", [0, 0, 1.0, 100.0]),
        (b"[Inf, -Infinity, Infinity]", [math.inf, -math.inf, math.inf]),
        (b"[1e-400]", [0.0]),
        (b"[18446744073709551615, 18446744073709551616]", [2**64 - 1, 2.0**64]),
        (b'["\\ud83d\\ude00\\u00e9\\/\\b"]', ["😀é/\b"]),
        (b'["\xff"]', ["\udcff"]),
        (b'["a"]\x00garbage', ["a"]),
        (b'\xef\xbb\xbf ["a"]', ["a"]),
    ],
)
def test_value(body: bytes, value: Any) -> None:
    assert _Reader(body).read() == value
    assert debug(parse(body)) == debug(value)  # Python keeps 2**64 whole, which all that look at it treat as a double


def test_depth_costs_no_stack() -> None:
    value = parse(b'{"instances": [1], "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert value["instances"] == [1]
    assert len(debug(value)) < 300


def _random_value(chance: random.Random, depth: int = 0) -> Any:
    kinds = ["int", "float", "text", "literal"] + (["list", "object"] * 2 if depth < 4 else [])
    kind = chance.choice(kinds)
    if kind == "list":
        return [_random_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind == "object":
        return {f"k{index}": _random_value(chance, depth + 1) for index in range(chance.randrange(4))}
    scalars = {"int": chance.randint(-(2**63), 2**64 - 1), "float": chance.uniform(-1, 1) * 10.0 ** chance.randint(-30, 30)}
    return {**scalars, "text": chance.choice(['a"\\', "é\n", "😀", ""]), "literal": chance.choice([None, True, False])}[kind]


def test_both_readers_agree() -> None:
    chance = random.Random(0)
    for _ in range(300):
        value = _random_value(chance)
        body = json.dumps(value, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, 1])).encode()
        assert _Reader(body).read() == value == parse(body)


def test_every_cut_document_is_refused() -> None:
    body = b'{"instances": [{"a": -1.5e3, "b": "x\\u0041\\n"}, {"c": [true, null]}]}'
    for end in range(len(body)):
        with pytest.raises(StatusError, match="JSON Parse error"):
            parse(body[:end])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (12.0, "12.0"), (1e21, "1e21"), (1e20, "100000000000000000000.0"), (1.5e30, "1.5e30"), (-2.5e-7, "-2.5e-7"), (0.00001, "0.00001")],
)
def test_numbers_as_dtoa_prints_them(value: float, text: str) -> None:
    assert number(value) == text


def test_debug_string_is_cut_at_a_token() -> None:
    text = debug([1] * 200)
    assert text == "[" + "1, " * 85 + "1"
    assert debug(["x" * 500, 1]) == f'["{"x" * 500}"'
    assert debug({"a": [1, {"b": None}], "c": {}}) == '{\n    "a": [1, {\n            "b": null\n        }],\n    "c": {}\n}'


def test_strings_escape_as_rapidjson() -> None:
    assert quoted('a"\\/\n\x1fé') == '"a\\"\\\\/\\n\\u001Fé"'
