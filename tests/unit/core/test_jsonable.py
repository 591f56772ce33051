"""Whatever a run knows can be written as JSON that any reader takes."""

from __future__ import annotations

import json

import numpy as np

from kvision.core.jsonable import jsonable


def test_arrays_numbers_and_what_is_not_finite() -> None:
    values = {"a": np.array([1.5, np.nan]), 2: (np.int64(3), np.inf), "b": np.float32(0.5), "c": [True, None, "x", {"d": float("-inf")}]}
    assert jsonable(values) == {"a": [1.5, None], "2": [3, None], "b": 0.5, "c": [True, None, "x", {"d": None}]}
    assert json.dumps(jsonable(values), allow_nan=False) == '{"a": [1.5, null], "2": [3, null], "b": 0.5, "c": [true, null, "x", {"d": null}]}'
