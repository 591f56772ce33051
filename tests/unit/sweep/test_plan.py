from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kvision.sweep.plan import TRAIN
from tests.unit.sweep import plans

SPACE = ("optim.lr=log(1e-4, 1e-1)", "train.epochs=choice(3, 9, 5)", "optim.name=sgd")


@pytest.fixture(scope="module")
def made():
    return plans.plan(Path("runs/s"), *SPACE, devices="cpu", precision="bf16", smoke=True)


def test_a_trial_is_a_training_that_can_be_called_again(made):
    command = replace(made, train=TRAIN).command({"optim.lr": 1e-05, "train.epochs": 3}, Path("runs/s/trial-0007"))
    assert command == [
        sys.executable, "-m", "kvision", "train", "unet", "optim.name=sgd", "optim.lr=1e-05", "train.epochs=3",
        "--run-dir", "runs/s/trial-0007", "--resume", "--devices", "cpu", "--precision", "bf16", "--smoke",
    ]  # fmt: skip
    assert "--smoke" not in replace(made, smoke=False).command({}, Path("x"))


def test_the_study_is_kept_in_the_folder_unless_a_database_is_named(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert made.url == f"sqlite:///{tmp_path}/runs/s/study.db"
    assert replace(made, storage="postgresql://a/b").url == "postgresql://a/b"


def test_the_longest_trial_has_the_most_epochs_that_are_searched_or_held(made):
    assert made.most_epochs == 9
    assert plans.plan(Path("s"), "optim.lr=log(1e-4, 1)", "train.epochs=4").most_epochs == 4
    assert plans.plan(Path("s"), "train.epochs=int(2, 6)").most_epochs == 6
