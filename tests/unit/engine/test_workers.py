"""A process alone is a crew of one; several are in tests/numerics/test_same_mathematics.py."""

from __future__ import annotations

import numpy as np
import pytest

from kvision.engine import strategy
from kvision.engine.workers import Workers


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_one_process_is_the_chief_and_believes_itself(devices: str) -> None:
    workers = Workers(strategy.make(devices))
    assert (workers.count, workers.index, workers.chief, workers.addresses) == (1, 0, True, ())
    assert workers.each(7) == [7]
    assert workers.told({"a": [1, None]}) == {"a": [1, None]}
    array = np.arange(3.0)
    assert workers.shared({"x": array})["x"] is array
