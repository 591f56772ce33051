"""Half precision becomes float32, and float64 stays."""

from __future__ import annotations

import pytest
import tensorflow as tf

from kvision.ops import dtypes


@pytest.mark.parametrize(("given", "expected"), [("float16", "float32"), ("bfloat16", "float32"), ("float32", "float32"), ("float64", "float64")])
def test_values_are_widened_to_float32_at_least(given: str, expected: str) -> None:
    found = dtypes.widened(tf.constant([0.5, -2.0], given))
    assert found.dtype == expected
    assert found.numpy().tolist() == [0.5, -2.0]
