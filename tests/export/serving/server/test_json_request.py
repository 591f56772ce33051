"""From bodies to arrays. Cases and messages after tensorflow_serving/util/json_tensor_test.cc."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from kvision_export.serving.server.json_request import Layout, Predict, examples, predict
from kvision_export.serving.server.status import Code, StatusError


def read(body: str, **dtypes: str) -> Predict:
    def dtypes_of(_: str) -> Mapping[str, str]:
        return dtypes or {"x": "int32"}

    return predict(body.encode(), dtypes_of)


def test_rows_are_stacked() -> None:
    request = read('{"signature_name": "f", "instances": [[1, 2], [3, 4], [5, 6]]}')
    assert (request.signature, request.layout) == ("f", Layout.ROWS)
    np.testing.assert_array_equal(request.inputs["x"], np.array([[1, 2], [3, 4], [5, 6]], np.int32), strict=True)


def test_columns_need_no_name_when_there_is_one_input() -> None:
    for body in ('{"inputs": [[[1, 2], [3, 4]]]}', '{"inputs": {"x": [[[1, 2], [3, 4]]]}}'):
        request = read(body)
        assert request.layout is Layout.COLUMNS
        np.testing.assert_array_equal(request.inputs["x"], np.array([[[1, 2], [3, 4]]], np.int32), strict=True)


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        ("float", "[1, 2.0, 1435774380]", np.array([1, 2, 1435774380], np.float32)),
        ("float", "[1e300, -1e300, NaN]", np.array([np.inf, -np.inf, np.nan], np.float32)),
        ("double", "[1, 0.662, 18446744073709551616]", np.array([1, 0.662, 2.0**64])),
        ("int64", "[-9223372036854775808]", np.array([-(2**63)])),
        ("uint64", "[18446744073709551615]", np.array([2**64 - 1], np.uint64)),
        ("uint8", "[255, 300]", np.array([255, 44], np.uint8)),
        ("bool", "[true, false]", np.array([True, False])),
        ("string", '["é", {"b64": "aGVsbG8="}]', np.array(["é".encode(), b"hello"], object)),
        ("string", '[{"b64": "aG VsbG8"}]', np.array([b"hello"], object)),
        ("float", "[]", np.zeros(0, np.float32)),
        ("float", "[[], []]", np.zeros((2, 0), np.float32)),
        ("int32", "7", np.array(7, np.int32)),
        ("string", '{"b64": "aGVsbG8="}', np.array(b"hello", object)),
    ],
)
def test_values_of_each_dtype(dtype: str, text: str, value: np.ndarray) -> None:
    np.testing.assert_array_equal(read(f'{{"inputs": {text}}}', x=dtype).inputs["x"], value, strict=True)


NOT_TYPE = "JSON Value: {} Type: {} is not of expected type: {}"


@pytest.mark.parametrize(
    ("dtype", "text", "message"),
    [
        ("int32", "[1, 1.0]", NOT_TYPE.format("1.0", "Number", "int32")),
        ("int32", "[2147483648]", NOT_TYPE.format("2147483648", "Number", "int32")),
        ("uint32", "[-1]", NOT_TYPE.format("-1", "Number", "uint32")),
        ("int64", "[9223372036854775808]", NOT_TYPE.format("9223372036854775808", "Number", "int64")),
        ("uint64", "[18446744073709551616]", NOT_TYPE.format("18446744073709552000.0", "Number", "uint64")),
        ("float", "[1, true]", NOT_TYPE.format("true", "True", "float")),
        ("float", "[1, null]", NOT_TYPE.format("null", "Null", "float")),
        ("float", '[{"b64": "aGVsbG8="}]', NOT_TYPE.format('{\n    "b64": "aGVsbG8="\n}', "Object", "float")),
        ("bool", "[0]", NOT_TYPE.format("0", "Number", "bool")),
        ("string", "[5]", NOT_TYPE.format("5", "Number", "string")),
        ("half", "[1]", "Conversion of JSON Value: 1 to type: half"),
        ("string", '[{"b64": "a"}]', "Unable to base64 decode"),
        ("string", '[{"b64": "aGVsbG8=="}]', "Unable to base64 decode"),
        ("string", '[{"b64": "aGV-"}]', "Unable to base64 decode"),
        ("string", '[{"b65": "a"}]', 'JSON Value: {\n    "b65": "a"\n} not formatted correctly for base64 data'),
        ("float", "[[1, 2], [3]]", "Encountered list at unexpected size: 1 at level: 1 expected size: 2"),
        ("float", "[[1], 2]", "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2"),
        ("float", "[1, [2]]", "Encountered list at unexpected level: 1 expected < 1"),
        ("float", "[[1, 2], [3, true], [4]]", NOT_TYPE.format("true", "True", "float")),
    ],
)
def test_the_first_thing_wrong_is_named(dtype: str, text: str, message: str) -> None:
    with pytest.raises(StatusError) as error:
        read(f'{{"inputs": {text}}}', x=dtype)
    assert error.value.message == message
    assert error.value.code is (Code.UNIMPLEMENTED if "Conversion" in message else Code.INVALID_ARGUMENT)


TWO: Any = {"a": "int32", "b": "string"}
ROW = '{"a": [1], "b": "x"}'
FAILED = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "
BOTH = '{\n    "instances": [1],\n    "inputs": [1]\n}'
PLAIN = "expecting list of objects as multiple input tensors required as per tensorinfo_map"


@pytest.mark.parametrize(
    ("dtypes", "body", "message"),
    [
        (
            {},
            '{"instances": [[1, 2], [3, 4], [5, 6, 7]]}',
            f"{FAILED.format('2')}Expecting tensor size: 2 but got: 3",
        ),
        (
            {},
            '{"instances": [[1, 2], [[5, 6]]]}',
            f"{FAILED.format('1')}Expecting shape [2] but got: [1,2]",
        ),
        ({}, '{"instances": [1, [1]]}', f"{FAILED.format('1')}Expecting shape [] but got: [1]"),
        ({}, '{"instances": [[1], {"x": [1]}]}', "Expecting value/list but got object at item 1 of input list"),
        (
            {},
            '{"instances": [{"z": 1}]}',
            f"{FAILED.format('0 key: z')}JSON object: does not have named input: z",
        ),
        (TWO, f'{{"instances": [{ROW}, [1]]}}', "Expecting object but got list at item 1 of input list"),
        (TWO, '{"instances": [[1]]}', f"instances is a plain list, but {PLAIN}"),
        (TWO, '{"inputs": [1]}', "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map"),
        (TWO, '{"inputs": {"a": 1}}', "Missing named input: b in 'inputs' object."),
        (
            TWO,
            '{"instances": [{"a": 1}]}',
            "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b",
        ),
        (
            TWO,
            f'{{"instances": [{ROW}, {{"a": [1.5], "b": "x"}}]}}',
            f"{FAILED.format('1 key: a')}" + NOT_TYPE.format("1.5", "Number", "int32"),
        ),
        ({}, '{"instances": []}', "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
        ({}, '{"instances": 1}', "JSON Value: {\n    \"instances\": 1\n} Expecting 'instances' to be an list/array"),
        (
            {},
            '{"instances": [1], "inputs": [1]}',
            f"JSON Value: {BOTH} Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        ),
        ({}, '{"x": [1]}', "Missing 'inputs' or 'instances' key"),
        ({}, "[1]", "JSON Value: [1] Is not object"),
        (
            {},
            '{"signature_name": 5}',
            "JSON Value: {\n    \"signature_name\": 5\n} not formatted correctly. 'signature_name' key must be a string value.",
        ),
    ],
)
def test_bodies_that_are_no_request(dtypes: dict[str, str], body: str, message: str) -> None:
    with pytest.raises(StatusError) as error:
        read(body, **dtypes)
    assert error.value.message == message


def test_as_many_dimensions_as_an_array_may_have_and_no_more() -> None:
    assert read(f'{{"inputs": {"[" * 64}1{"]" * 64}}}').inputs["x"].shape == (1,) * 64
    for depth in (65, 3000):
        with pytest.raises(StatusError, match="more dimensions than a tensor may have, 64"):
            read(f'{{"inputs": {"[" * depth}1{"]" * depth}}}')


def test_examples_take_their_kind_from_the_values() -> None:
    row = '{"f": [1.5, NaN], "i": [1, true], "s": ["a", {"b64": "Yg=="}], "empty": []}'
    body = f'{{"signature_name": "c", "context": {{"q": 1}}, "examples": [{row}]}}'
    signature, (example,), context = examples(body.encode())
    feature = example.features.feature
    assert signature == "c"
    assert context is not None
    assert context.features.feature["q"].int64_list.value == [1]
    assert feature["f"].float_list.value[0] == 1.5
    assert list(feature["i"].int64_list.value) == [1, 1]
    assert list(feature["s"].bytes_list.value) == [b"a", b"b"]
    assert feature["empty"].WhichOneof("kind") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"f": [1.5, 2]}]', "Unexpected element type in feature: f expecting type: float"),
        ('[{"f": ["a", 2]}]', "Unexpected element type in feature: f expecting type: bytes"),
        ('[{"f": [null]}]', "Feature: f has element with unexpected JSON type: Null"),
        ('[{"f": [[1]]}]', "Feature: f has element with unexpected JSON type: Array"),
        ('[{"f": {"a": 1}}]', "Feature: f has element with unexpected JSON type: Object"),
        ('[{"f": 18446744073709551615}]', "Feature: f has uint64_t element. Only int64_t is supported."),
        ("[1]", "Example must be JSON object but got JSON Number"),
        ("[]", "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"),
        ("1", "JSON Value: {\n    \"examples\": 1\n} Expecting 'examples' value to be an list/array"),
    ],
)
def test_examples_that_are_none(text: str, message: str) -> None:
    with pytest.raises(StatusError, match=re.escape(message)):
        examples(f'{{"examples": {text}}}'.encode())


def test_examples_are_asked_for() -> None:
    with pytest.raises(StatusError, match="key 'examples' is expected and was not found"):
        examples(b'{"instances": [1]}')
