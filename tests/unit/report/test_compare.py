from __future__ import annotations

import pytest

from kvision.core.errors import UsageError
from kvision.report import compare
from tests.unit import run_folders


def test_metrics_at_the_best_epoch_and_the_values_that_differ(tmp_path):
    a = run_folders.make(tmp_path / "a")
    b = run_folders.make(tmp_path / "b", epochs=1, model={"width": 16, "depth": 2})
    found = compare.compare([a, b])
    assert found.names == ("a", "b")
    assert found.metrics["epoch"] == (2, 1)
    assert found.metrics["val/miou"] == (0.6, 0.2)
    assert found.recipe == {"model.width": (8, 16), "model.depth": ("(not in it)", 2)}
    assert found.html.count("<svg") == 4
    assert "<script" not in found.html


def test_runs_of_one_name_are_told_apart_by_their_path(tmp_path):
    found = compare.compare([run_folders.make(tmp_path / "x" / "a"), run_folders.make(tmp_path / "y" / "a")])
    assert found.names == (str(tmp_path / "x" / "a"), str(tmp_path / "y" / "a"))
    assert found.recipe == {}


def test_one_run_is_too_few(tmp_path):
    with pytest.raises(UsageError, match=r"1 run given; .* two or more"):
        compare.compare([tmp_path])
