"""What JSON can hold: it has no arrays, no tuples, no NaN and no infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def jsonable(value: Any) -> Any:
    """Arrays and tuples as lists, numpy's numbers as Python's, keys as text, and null for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):  # numpy's, which is not imported for this
        return jsonable(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
