"""`kvision lr-find` on a recipe and on a run folder, in which nothing changes."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from kvision.commands import lr_find
from kvision.core.errors import RunError, UsageError
from kvision.report.lr_curve import Curve
from tests.unit.commands.conftest import OPTIONS

if TYPE_CHECKING:
    from pathlib import Path

RATES = np.geomspace(1e-6, 1.0, 61)


def content(folder: Path) -> dict[str, tuple[str, int]]:
    """Hash and time of every file of a folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files}


def test_a_run_folder_stays_as_it_is(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(run)
    lr_find.run(run, steps=20, high=0.1, out=tmp_path / "curve.png", json_lines=True)
    assert content(run) == before
    assert len(before) > 5
    found = json.loads(capsys.readouterr().out)
    assert found["rates"][0] == pytest.approx(1e-6)
    assert len(found["rates"]) == len(found["losses"]) == 20
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.width > 600


def test_a_recipe_leaves_the_picture_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    lr_find.run("unet", OPTIONS, steps=20)
    assert [path.name for path in tmp_path.iterdir()] == ["lr-find.png"]
    assert "picture: lr-find.png" in capsys.readouterr().out


def test_options_that_do_not_fit(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--low 1 --high 0\.1: the range must grow from a rate above 0"):
        lr_find.run("unet", low=1.0, high=0.1)
    with pytest.raises(UsageError, match=r"optim\.lr=1: .* is a run, whose recipe stands"):
        lr_find.run(run, ["optim.lr=1"])
    with pytest.raises(UsageError, match=r"--smoke: .* is a run"):
        lr_find.run(run, smoke=True)
    (tmp_path / "in_the_way").write_text("")
    curve = Curve(RATES, RATES, RATES, None, None, None, 1e-3)
    with pytest.raises(RunError, match="--out"), lr_find.writing(tmp_path / "in_the_way" / "x.png", "the picture", "--out"):
        curve.save(tmp_path / "in_the_way" / "x.png")


def test_where_nothing_is_learnt_there_is_no_rate(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"classification/knn: nothing is learnt step by step here, so that there is no rate to find"):
        lr_find.run("classification/knn", ["data.source=digits", "data.size_px=16"], smoke=True, steps=20, out=tmp_path / "curve.png")
    assert not list(tmp_path.iterdir())


def test_the_curve_as_text() -> None:
    losses = 1.0 - 0.5 / (1 + np.exp(-5 * (np.log10(RATES) + 3)))
    text = Curve(RATES, losses, losses, 1e-3, 4e-3, 1e-3, 5e-3).text().splitlines()
    assert text[0] == "   rate  loss (smoothed)"
    assert text[1] == f"1.0e-06{1.0:>11.4g}  {'█' * 40}"
    assert text[16].endswith("  █")
    assert text[17] == ("suggested: optim.lr=1.0e-03 (falls fastest at 1.0e-03; a tenth of the minimum's rate is 4.0e-03); the recipe has 5.0e-03")
    broken = np.where(np.arange(61) > 50, np.nan, losses)
    assert Curve(RATES, broken, broken, None, None, None, 1.0).text().splitlines()[-1].startswith("the loss does not fall at any of these rates")
