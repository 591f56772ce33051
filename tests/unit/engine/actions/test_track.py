"""A tracker that fails, hangs or is offline never stops training: real processes, with a package of the test's in place of trackio."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
import tomllib
import types
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from kvision import catalog, cli
from kvision.commands import track as command
from kvision.core.errors import RunError, UsageError
from kvision.engine import events, trackers
from kvision.engine.actions import track
from kvision.engine.actions.track import Track
from kvision.engine.journal import Journal
from tests.unit.commands import fake_train
from tests.unit.engine.trackers import fake_trackio

ROOT = Path(__file__).resolve().parents[4]
STARTED = events.Started("", "s", 0, 10, 5, 2, 4, 1, ("cpu:0",), "fp32", "val/top1", "max")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run folder whose diary is empty; `trackio` is the fake."""
    shutil.copy(fake_trackio.__file__, tmp_path / "trackio.py")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls.jsonl"))
    made = fake_train.make(tmp_path / "r1", catalog.load("resnet").values())
    (made / "events.jsonl").unlink()
    return made


def calls(run: Path) -> list[list]:
    path = run.parent / "calls.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def ended(step: int, epoch: int) -> events.EpochEnded:
    return events.EpochEnded(
        step, epoch, {"epoch": epoch, "step": step, "lr": 0.1, "val/top1": step / 10, "val/ece": float("nan")}, True, 1.0, 5.0, 0.0
    )


def train(run: Path, told: list[events.Event], epoch: int = 0, until: str = "") -> list[str]:
    """What the loop does, without a loop, and at its end when the tracker has been called so; the warnings that came of it."""
    warnings: list[str] = []
    actions = events.Actions([Journal(run, epoch=epoch, tensorboard=False), Track("trackio", run, warnings.append)])
    try:
        for event in told:
            actions.on_event(event)
        while until and until not in {name for name, _, _ in calls(run)}:
            time.sleep(0.02)
    finally:
        actions.close()
    return warnings


def finished(step: int, status: events.Status = "finished") -> events.Finished:
    return events.Finished(status, step, step // 5, 1.0, 5.0, 0.0, None, "")


def test_it_is_told_recipe_figures_and_end(run):
    progress = events.Progress(7, 10, 2, {"loss": 0.5}, 0.1, 30.0, 0.0, 100.0, None)
    assert train(run, [STARTED, ended(5, 1), progress, ended(10, 2), finished(10)]) == []
    (_, project, options), *told = calls(run)
    assert (project, options["name"], options["resume"]) == ("kvision", "r1", "never")
    assert (options["config"]["optim.lr"], options["config"]["kvision.precision"]) == (catalog.load("resnet").recipe.optim.lr, "fp32")
    assert told == [
        ["log", 5, {"lr": 0.1, "val/top1": 0.5}],
        ["log", 7, {"running/loss": 0.5, "running/lr": 0.1, "running/images_per_s": 30.0, "running/wait_share": 0.0}],
        ["log", 10, {"lr": 0.1, "val/top1": 1.0}],
        ["finish", "", {}],
    ]


def test_a_resumed_run_goes_on_at_the_tracker_and_says_nothing_twice(run):
    train(run, [STARTED, ended(5, 1), finished(5, "interrupted")])
    train(run, [STARTED, ended(10, 2), finished(10)], epoch=1)
    assert [(name, first) for name, first, _ in calls(run)] == [
        ("init", "kvision"), ("log", 5), ("finish", ""), ("init", "kvision"), ("log", 10), ("finish", ""),
    ]  # fmt: skip
    assert calls(run)[3][2]["resume"] == "must"


@pytest.mark.parametrize(
    ("fault", "told"), [("offline", "ConnectionError: api.example.org: no route to host"), ("raise", "ValueError: quota exceeded")]
)
def test_one_that_fails_is_warned_of_once_and_told_the_rest_later(run, monkeypatch, fault, told):
    monkeypatch.setenv("FAULT", fault)
    (warning,) = train(run, [STARTED, ended(5, 1), ended(10, 2), finished(10)])
    assert f"trackio has failed (exit code 1): {told}; the training is untouched" in warning
    assert f"`kvision track {run} --to trackio` tells it what it does not know yet" in warning
    result = CliRunner().invoke(cli.app, ["track", str(run), "--to", "trackio"])
    assert (result.exit_code, told in result.stderr) == (1, True)
    monkeypatch.delenv("FAULT")
    assert CliRunner().invoke(cli.app, ["track", str(run), "--to", "trackio"]).exit_code == 0
    assert [first for name, first, _ in calls(run) if name == "log"] == [5, 10]


@pytest.mark.parametrize("fault", ["hang", "hang_deaf"])
def test_one_that_hangs_is_ended_with_all_that_it_started(run, monkeypatch, fault):
    monkeypatch.setattr(track, "LIMIT_S", 0.5)
    monkeypatch.setenv("FAULT", fault)
    (warning,) = train(run, [STARTED, ended(5, 1), finished(5)], until="child")
    assert "trackio is not done 0.5 s after the training, and was ended; the training is untouched" in warning
    ((_, pid, _),) = [call for call in calls(run) if call[0] == "child"]
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(timeout=20)


def test_a_run_folder_that_can_not_hold_its_log_is_no_reason_to_stop(run):
    (run / trackers.FOLDER).write_text("in the way")
    (warning,) = train(run, [STARTED, ended(5, 1), finished(5)])
    assert "trackio can't be started" in warning
    assert (run / "summary.json").read_text().count('"finished"') == 1


def test_what_can_not_be_tracked_is_told_before_anything_is_trained(run, monkeypatch):
    with pytest.raises(UsageError, match=r'--track mlfow: accepted are mlflow, trackio, wandb; did you mean "mlflow"\?'):
        track.check(["mlfow"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"--track wandb: its package is not installed; pip install 'kvision\[wandb\]'"):
        track.check(["wandb"])
    monkeypatch.undo()
    with pytest.raises(UsageError, match="accepted are"):
        command.run(str(run), "nothing")
    monkeypatch.setattr(track, "check", lambda names: None)
    with pytest.raises(RunError, match="no such run"):
        command.run(str(run / "none"), "trackio")


def test_every_tracker_has_its_extra_and_is_named_by_the_help():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert [name for name in trackers.names() if not re.match(rf"{name}\b", extras[name][0])] == []
    help_text = CliRunner().invoke(cli.app, ["train", "--help"]).stdout
    assert [name for name in trackers.names() if name not in help_text] == []


def test_train_is_given_the_trackers_of_the_line_or_of_the_environment(monkeypatch):
    given = []
    fake = types.SimpleNamespace(run=lambda *_, track, **__: given.append(track) or 0)
    monkeypatch.setitem(sys.modules, "kvision.commands.train", fake)
    monkeypatch.setattr("kvision.commands.train", fake, raising=False)
    monkeypatch.setattr(track, "check", lambda names: None)
    runner = CliRunner()
    runner.invoke(cli.app, ["train", "resnet", "--track", "mlflow", "--track", "wandb"])
    runner.invoke(cli.app, ["train", "resnet"], env={"KVISION_TRACK": "trackio"})
    runner.invoke(cli.app, ["train", "resnet"])
    assert given == [["mlflow", "wandb"], ["trackio"], []]
