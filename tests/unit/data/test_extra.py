from __future__ import annotations

import math

import pytest

from kvision.core.errors import DataError
from kvision.data import extra


def test_a_package_that_is_not_there_is_named():
    assert extra.package("math", "math", "counting") is math
    with pytest.raises(DataError, match=r"reading a.parquet needs the package not-there; run `pip install not-there`"):
        extra.package("not_there.at_all", "not-there", "reading a.parquet")
