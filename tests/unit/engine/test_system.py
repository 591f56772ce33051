"""Which of two results is the better one."""

from __future__ import annotations

from typing import Any

import pytest

from kvision.engine.system import is_better


@pytest.mark.parametrize(
    ("value", "best", "mode", "better"),
    [(0.5, float("nan"), "max", True), (0.5, 0.4, "max", True), (0.4, 0.4, "max", False), (0.4, 0.5, "min", True), (float("nan"), 0.1, "max", False)],
)
def test_is_better(value: float, best: float, mode: Any, better: bool) -> None:
    assert is_better(value, best, mode) is better
