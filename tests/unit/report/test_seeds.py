"""Runs that differ by their seed alone are one recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.figure import Figure

from kvision.metrics import episodes
from kvision.report import compare, curves, folder, seeds
from tests.unit import run_folders

if TYPE_CHECKING:
    from pathlib import Path


def of(path: Path, seed: int, scores: list[float], width: int = 8) -> Path:
    """A run whose mIoU is `scores`, epoch by epoch."""
    made = run_folders.make(path, model={"width": width}, train={"epochs": 3, "steps": None, "seed": seed})
    lines = [f"{epoch},{3 * epoch},0.001,1.0,1.0,{score}" for epoch, score in enumerate(scores, start=1)]
    (made / "metrics.csv").write_text("\n".join(["epoch,step,lr,train/loss,val/loss,val/miou", *lines]) + "\n")
    return made


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    scores = [[0.1, 0.5, 0.4], [0.2, 0.6], [0.3, 0.9, 0.8], [0.4, 0.7, 0.7]]
    same = [of(tmp_path / f"a-{seed}", seed, each) for seed, each in enumerate(scores)]
    return [same[0], of(tmp_path / "b", 0, [0.0, 0.1, 0.2], width=16), *same[1:]]


def test_seeds_of_one_recipe_are_told_of_together(runs: list[Path]) -> None:
    found = compare.compare(runs)
    assert [(group.name, group.places) for group in found.groups] == [("a-0 … a-3", (0, 2, 3, 4)), ("b", (1,))]
    together, alone = found.over_seeds["val/miou"]
    best = np.array([0.5, 0.6, 0.9, 0.7])
    assert together == (pytest.approx(0.65), *episodes.interval(best, episodes.interquartile_mean))
    assert alone == (0.1, 0.1, 0.1)  # at epoch 2, which its summary calls the best
    assert compare.interval(together).startswith("0.65 (0.5")
    assert (compare.interval(alone), compare.interval(None)) == ("0.1", "—")
    assert "a-0 … a-3 (4 seeds)" in found.html
    assert found.html.count("FillBetweenPolyCollection") == 4, "one band in each panel"


def test_a_curve_is_of_the_runs_that_have_got_so_far(runs: list[Path]) -> None:
    read = [folder.read(path) for path in runs if path.name != "b"]
    points = seeds.curve(read, "val/miou")
    assert {epoch: round(each.value, 12) for epoch, each in points.items()} == {1: 0.25, 2: 0.65, 3: round((0.4 + 0.7 + 0.8) / 3, 12)}
    assert points[1].low < 0.25 < points[1].high
    assert np.isnan(list(seeds.curve(read, "val/nothing").values())).all()


def test_a_seed_that_comes_twice_tells_nothing_new(tmp_path: Path) -> None:
    found = compare.compare([of(tmp_path / name, 0, [0.1]) for name in ("a", "b")])
    assert [group.places for group in found.groups] == [(0,), (1,)]
    assert found.over_seeds == {}
    assert "FillBetweenPolyCollection" not in found.html


def test_what_is_no_number_is_left_out() -> None:
    assert seeds.estimate([None, float("nan"), 2.0]) == (2.0, 2.0, 2.0)
    assert seeds.estimate([None]) is None


def test_intervals_are_bands_around_their_values() -> None:
    rows = [
        {"epoch": epoch, "step": epoch, "val/return": 9.0, "val/return_low": 8.0, "val/return_high": 10.0, "val/so_low": 3.0} for epoch in (1.0, 2.0)
    ]
    assert [panel.columns for panel in curves.panels(rows)] == [("val/return",), ("val/so_low",)]
    assert curves.told(rows[0]) == ["epoch", "step", "val/return", "val/so_low"]
    figure = Figure()
    axes = figure.add_subplot()
    curves.plot(axes, curves.panels(rows)[0], rows)
    (band,) = axes.collections
    assert sorted(set(band.get_paths()[0].vertices[:, 1])) == [8.0, 10.0]
