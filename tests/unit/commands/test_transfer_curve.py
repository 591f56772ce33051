from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kvision import cli
from kvision.commands import transfer_curve
from kvision.core.errors import RunError, UsageError
from kvision.sweep import queue
from tests.unit.sweep import fake_transfer

TRAIN = (sys.executable, str(Path(fake_transfer.__file__)))
DIGITS = ["data.source=digits", "data.size_px=16"]
OPTIONS = {"weights": "imagenet", "methods": "scratch,fine_tune", "samples": "all,2", "seeds": 1, "steps": 1, "train": TRAIN}


@pytest.fixture(autouse=True)
def _here(monkeypatch, tmp_path):
    monkeypatch.setattr(queue, "POLL_S", 0.02)
    monkeypatch.chdir(tmp_path)


def test_from_the_command_to_the_curves(capsys):
    assert transfer_curve.run("resnet", DIGITS, jobs=4, **OPTIONS) == 0
    out, err = capsys.readouterr()
    assert "4 of 4: " in err
    assert [line.split() for line in out.splitlines()[1:4]] == [
        ["examples", "of", "each", "class", "scratch", "fine", "tune"],
        ["2", "5.0", "%", "2.5", "%"],
        ["all", "0.1", "%", "0.0", "%"],
    ]
    folder = Path("runs/transfer/resnet")
    assert {"curves.json", "curves.png", "transfer.html", "scratch-2-seed0", "logs"} <= {path.name for path in folder.iterdir()}
    assert json.loads((folder / "curves.json").read_text())["missing"] == []
    assert transfer_curve.run("resnet", DIGITS, json_lines=True, **OPTIONS) == 0  # nothing is left to do: the result is told again
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["curves"]["scratch"][0]["errors"] == [pytest.approx(0.05)]


def test_a_training_that_fails_is_told_and_the_others_go_on(capsys):
    assert transfer_curve.run("resnet", [*DIGITS, "scratch:optim.clip_norm=13"], out="c", json_lines=True, jobs=4, **OPTIONS) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(event["code"] for event in events if event["event"] == "training_ended") == [0, 0, 1, 1]
    assert events[-1]["missing"] == ["scratch-2-seed0", "scratch-all-seed0"]
    assert transfer_curve.run("resnet", [*DIGITS, "scratch:optim.clip_norm=13"], out="c", jobs=4, **OPTIONS) == 1
    out, err = capsys.readouterr()
    assert "scratch-2-seed0 ended with exit code 1\n" in err
    assert "RuntimeError: boom" in err
    assert "not done: scratch-2-seed0, scratch-all-seed0; see c/logs" in out


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"methods": "scratch,finetune"}, UsageError, "--methods: got 'finetune', expected some of scratch, .*; did you mean \"fine_tune\""),
        ({"samples": "0,5"}, UsageError, "--samples: got '0', expected whole numbers from 1 on, or all, such as 1,5,10,50,all"),
        ({"out": "."}, RunError, r"\. exists and is not a transfer-curve; choose another folder with --out"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_made(tmp_path, options, error, message):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(error, match=message):
        transfer_curve.run("resnet", DIGITS, **(OPTIONS | options))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_weights_are_found_from_here_whatever_the_recipe_s_folder(tmp_path):
    assert transfer_curve.run("resnet", DIGITS, jobs=4, **(OPTIONS | {"weights": "runs/other", "samples": "2"})) == 0
    values = json.loads(Path("runs/transfer/resnet/fine_tune-2-seed0/resolved.json").read_text())["values"]
    assert values["model"]["weights"] == str(tmp_path / "runs/other")


@pytest.mark.slow
def test_the_real_training_at_smoke_size():
    words = ["transfer-curve", "resnet", "--smoke", "--methods", "scratch", "--samples", "2", "--seeds", "1", "--steps", "1", "--out", "c"]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    ((value,),) = json.loads(Path("c/curves.json").read_text())["curves"].values()
    assert (value["samples"], value["per_class"]) == (2, 2.0)
    assert 0.0 <= value["mean"] <= 1.0
