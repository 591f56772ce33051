from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from kvision.commands import runs
from kvision.core.errors import RunError
from tests.unit import run_folders


def test_list_shows_each_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    run_folders.make(tmp_path / "first")
    run_folders.make(tmp_path / "second", epochs=1, status="interrupted")
    (tmp_path / "not-a-run").mkdir()
    runs.list_runs(tmp_path)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "system", "status", "best", "epochs", "time", "size"]
    assert first.split()[:6] == ["first", "segmentation/unet", "finished", "val/miou", "0.6", "3/3"]
    assert second.split()[:6] == ["second", "segmentation/unet", "interrupted", "val/miou", "0.2", "1/3"]


def test_list_as_json(tmp_path, capsys):
    run_folders.make(tmp_path / "a", epochs=0, evaluated=False)
    runs.list_runs(tmp_path, json_lines=True)
    facts = json.loads(capsys.readouterr().out)
    assert (facts["name"], facts["value"], facts["epochs"], facts["of_epochs"]) == ("a", None, 0, 3)
    assert facts["bytes"] > 500


def test_list_tells_a_training_that_was_killed_from_one_that_runs(tmp_path, capsys):
    run_folders.make(tmp_path / "a", status="running")
    runs.list_runs(tmp_path, json_lines=True)
    os.utime(tmp_path / "a" / "events.jsonl", (1, 1))
    runs.list_runs(tmp_path, json_lines=True)
    assert [json.loads(line)["status"] for line in capsys.readouterr().out.splitlines()] == ["running", "killed"]


def test_list_of_nothing(tmp_path, capsys):
    runs.list_runs(tmp_path)
    assert "kvision train" in capsys.readouterr().out
    with pytest.raises(RunError, match="no such folder"):
        runs.list_runs(tmp_path / "nothing")


def test_compare_writes_the_page_beside_the_runs(tmp_path, capsys):
    a, b = run_folders.make(tmp_path / "a"), run_folders.make(tmp_path / "b", model={"width": 16})
    runs.compare([a, b])
    out = capsys.readouterr().out
    assert "model.width" in out
    assert str(tmp_path / "compare.html") in out
    assert (tmp_path / "compare.html").read_text().startswith("<!doctype html>")
    runs.compare([a, b], out=tmp_path / "other.html", json_lines=True)
    found = json.loads(capsys.readouterr().out)
    assert found["recipe"] == {"model.width": [8, 16]}
    assert Path(found["page"]).exists()


def test_a_misspelt_run(tmp_path):
    run_folders.make(tmp_path / "unet")
    with pytest.raises(RunError, match=r"unett: no such run; runs that exist: .*unet; did you mean \".*unet\"\?"):
        runs.require(tmp_path / "unett")
    with pytest.raises(RunError, match=r"is not a run folder"):
        runs.require(tmp_path)
