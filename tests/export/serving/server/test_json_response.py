"""Answers to the letter: the layout is PrettyWriter's, the numbers are json_tensor_test.cc's."""

from __future__ import annotations

import numpy as np
import pytest

from kvision_export.serving.server.json_request import Layout
from kvision_export.serving.server.json_response import decimals, error, predictions
from kvision_export.serving.server.status import StatusError


def test_rows_of_one_output() -> None:
    assert predictions({"y": np.array([2.5, 3, 4.5], np.float32)}, Layout.ROWS) == '{\n    "predictions": [2.5, 3.0, 4.5\n    ]\n}'
    assert predictions({"y": np.array([[1, 2], [3, 4]])}, Layout.ROWS) == '{\n    "predictions": [[1, 2], [3, 4]\n    ]\n}'
    assert predictions({"y": np.zeros((0, 3))}, Layout.ROWS) == '{\n    "predictions": []\n}'
    assert predictions({"y": np.zeros((2, 0))}, Layout.ROWS) == '{\n    "predictions": [[], []\n    ]\n}'


def test_rows_of_several_outputs() -> None:
    outputs = {"b_bytes": np.array([[b"hello"], [b"\xff"]], object), "a": np.array([True, False])}
    assert predictions(outputs, Layout.ROWS) == (
        '{\n    "predictions": [\n'
        '        {\n            "a": true,\n            "b_bytes": [{\n                    "b64": "aGVsbG8="\n                }]\n        },\n'
        '        {\n            "a": false,\n            "b_bytes": [{\n                    "b64": "/w=="\n                }]\n        }\n    ]\n}'
    )


def test_columns() -> None:
    assert predictions({"y": np.array(4.5)}, Layout.COLUMNS) == '{\n    "outputs": 4.5\n}'
    assert predictions({"y": np.array([[1], [2]])}, Layout.COLUMNS) == (
        '{\n    "outputs": [\n        [\n            1\n        ],\n        [\n            2\n        ]\n    ]\n}'
    )
    outputs = {"b": np.array([], np.int64), "a": np.array([b'"x"'], object)}
    assert predictions(outputs, Layout.COLUMNS) == '{\n    "outputs": {\n        "a": [\n            "\\"x\\""\n        ],\n        "b": []\n    }\n}'


def test_floats_have_the_digits_they_need() -> None:
    values = np.array([9000000, 999999, 0.5, 0.0003, 0.00003, 555557.5, 0.1, 1 / 3, 16777216, np.nan, np.inf, 3, -np.inf, -0.0], np.float32)
    texts = [
        "9e+06",
        "999999.0",
        "0.5",
        "0.0003",
        "3e-05",
        "555557.5",
        "0.1",
        "0.333333343",
        "16777216.0",
        "NaN",
        "Infinity",
        "3.0",
        "-Infinity",
        "-0.0",
    ]
    assert decimals(values) == texts
    assert decimals(np.array([1 / 3, 0.1, 1e300])) == ["0.33333333333333331", "0.1", "1e+300"]


def test_every_float_reads_back() -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 5000, dtype=np.uint32).view(np.float32)
    values = bits[np.isfinite(bits)]
    np.testing.assert_array_equal(np.array([float(text) for text in decimals(values)], np.float32), values)


def test_what_can_not_be_written() -> None:
    with pytest.raises(StatusError, match="Cannot convert empty tensor map to JSON"):
        predictions({}, Layout.ROWS)
    with pytest.raises(StatusError, match="Tensor name: y has no shape information "):
        predictions({"y": np.array(1)}, Layout.ROWS)
    with pytest.raises(StatusError, match="Tensor name: y has inconsistent batch size: 3 expecting: 2"):
        predictions({"x": np.zeros(2), "y": np.zeros(3)}, Layout.ROWS)
    with pytest.raises(StatusError, match="Failed to write JSON value for tensor type: complex64"):
        predictions({"y": np.zeros(2, np.complex64)}, Layout.ROWS)


def test_error() -> None:
    assert error('no "x"') == '{\n    "error": "no \\"x\\""\n}'
