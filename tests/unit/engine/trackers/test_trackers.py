"""What the trackers' own packages have afterwards, where they are installed; offline."""

from __future__ import annotations

import importlib.util
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from kvision import catalog
from kvision.engine import events
from kvision.engine.actions import track
from kvision.engine.journal import Journal
from tests.unit.commands import fake_train


def installed(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"the extra {name}")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = fake_train.make(tmp_path / "r1", catalog.load("resnet").values())
    (made / "events.jsonl").unlink()
    journal = Journal(made, tensorboard=False)
    for epoch in (1, 2):
        row = {"epoch": epoch, "step": 5 * epoch, "lr": 0.1, "val/top1": 0.4 * epoch}
        journal.on_event(events.EpochEnded(5 * epoch, epoch, row, True, 1.0, 5.0, 0.0))
    journal.on_event(events.Finished("finished", 10, 2, 1.0, 5.0, 0.0, None, ""))
    journal.close()
    return made


def follow(name: str, run: Path) -> str:
    """Tells the tracker twice, as after a failure: the second time there is nothing left; its name for the run."""
    for _ in range(2):
        assert track.start(name, run, 0).wait() == 0, track.log(name, run).read_text()
    return str(json.loads((run / "trackers" / f"{name}.json").read_text())["id"])


@installed("mlflow")
def test_mlflow(run, tmp_path, monkeypatch):
    uri = (tmp_path / "mlruns").as_uri()
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    run_id = follow("mlflow", run)
    code = (
        "import json, sys, mlflow\n"
        "client = mlflow.MlflowClient(sys.argv[1])\n"
        "run = client.get_run(sys.argv[2])\n"
        "history = [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, 'val/top1')]\n"
        "print(json.dumps([run.info.run_name, run.info.status, run.data.params['optim.lr'], run.data.tags['system'], history]))\n"
    )
    read = subprocess.run([sys.executable, "-c", code, uri, run_id], capture_output=True, text=True, check=True)
    lr = str(catalog.load("resnet").recipe.optim.lr)
    assert json.loads(read.stdout.splitlines()[-1]) == ["r1", "FINISHED", lr, "classification/resnet", [[5, 0.4], [10, 0.8]]]


@installed("trackio")
def test_trackio(run, tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "t"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    follow("trackio", run)
    (database,) = (tmp_path / "t").glob("*.db")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("select run_name, step, metrics from metrics order by step").fetchall()
    assert [(name, step, json.loads(text).get("val/top1")) for name, step, text in rows] == [("r1", 5, 0.4), ("r1", 10, 0.8)]


@installed("wandb")
def test_wandb_offline(run, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    run_id = follow("wandb", run)
    assert list((run / "trackers" / "wandb").glob(f"offline-run-*-{run_id}/run-{run_id}.wandb"))
