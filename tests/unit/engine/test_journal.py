"""The journal: exact numbers, exact truncation, lines that survive a kill."""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

import pytest

from kvision.core.errors import RunError
from kvision.engine import events, journal
from kvision.engine.journal import Journal, read_rows

if TYPE_CHECKING:
    from pathlib import Path

STARTED = events.Started(
    run_dir="runs/x", system="segmentation/tiny", step=0, total=12, steps_per_epoch=6, epochs=2, batch=4, parameters=9, devices=("cpu:0",),
    precision="fp32", monitor="val/miou", mode="max",
)  # fmt: skip


def ended(epoch: int, miou: float = 0.5) -> events.EpochEnded:
    row = {"epoch": epoch, "step": 6 * epoch, "lr": 0.1, "train/loss": 1 / 3, "val/miou": miou}
    return events.EpochEnded(6 * epoch, epoch, row, best=True, seconds=1.5, images_per_s=10.0, wait_share=0.01)


def write(run_dir: Path, epochs: range, begin: int = 0) -> None:
    diary = Journal(run_dir, epoch=begin, tensorboard=False)
    diary.on_event(STARTED)
    for epoch in epochs:
        diary.on_event(ended(epoch))
    diary.close()


def test_rows_hold_the_exact_numbers(tmp_path: Path) -> None:
    write(tmp_path, range(1, 3))
    assert (tmp_path / "metrics.csv").read_text() == (
        "epoch,step,lr,train/loss,val/miou\n1,6,0.1,0.3333333333333333,0.5\n2,12,0.1,0.3333333333333333,0.5\n"
    )
    rows = read_rows(tmp_path / "metrics.csv")
    assert rows[1] == {"epoch": 2, "step": 12, "lr": 0.1, "train/loss": 1 / 3, "val/miou": 0.5}
    assert isinstance(rows[1]["step"], int)


@pytest.mark.parametrize("keep", [0, 1, 2, 3])
def test_resuming_cuts_the_rows_that_come_again(tmp_path: Path, keep: int) -> None:
    write(tmp_path, range(1, 4))
    whole = (tmp_path / "metrics.csv").read_bytes()
    write(tmp_path, range(keep + 1, 4), begin=keep)
    assert (tmp_path / "metrics.csv").read_bytes() == whole


def test_torn_lines_are_cut_off(tmp_path: Path) -> None:
    write(tmp_path, range(1, 3))
    whole = (tmp_path / "metrics.csv").read_bytes()
    (tmp_path / "metrics.csv").write_bytes(whole + b"3,18,0.1,0.33")
    (tmp_path / "events.jsonl").write_bytes((tmp_path / "events.jsonl").read_bytes() + b'{"time": 17')
    write(tmp_path, range(0), begin=2)
    assert (tmp_path / "metrics.csv").read_bytes() == whole
    kinds = [json.loads(line)["event"] for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert kinds == ["started", "epoch_ended", "epoch_ended", "started"]


def test_nan_and_infinity_survive_the_csv_and_are_null_in_json(tmp_path: Path) -> None:
    diary = Journal(tmp_path, tensorboard=False)
    diary.on_event(STARTED)
    diary.on_event(ended(1, float("nan")))
    diary.close()
    assert (tmp_path / "metrics.csv").read_text().endswith(",nan\n")
    assert json.loads((tmp_path / "events.jsonl").read_text().splitlines()[-1])["row"]["val/miou"] is None
    assert json.loads((tmp_path / "summary.json").read_text())["best"]["val/miou"] is None


def test_summary_follows_the_run(tmp_path: Path) -> None:
    diary = Journal(tmp_path, tensorboard=False)
    diary.on_event(STARTED)
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "running"
    diary.on_event(ended(1))
    diary.on_event(events.CheckpointSaved(6, "step-00000006", 0.1, "epoch"))
    diary.on_event(events.Finished("interrupted", 7, 1, 3.0, 11.0, 0.02, ended(1).row, "SIGINT at step 7 of 12"))
    diary.close()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert {key: summary[key] for key in ("status", "steps", "epochs", "checkpoint", "seconds", "images_per_s", "wait_share")} == {
        "status": "interrupted", "steps": 7, "epochs": 1, "checkpoint": "step-00000006", "seconds": 3.0, "images_per_s": 11.0, "wait_share": 0.02,
    }  # fmt: skip
    assert summary["best"]["epoch"] == 1


def test_progress_is_written_down_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, wall = iter([100.0, 100.5, 109.0, 110.5]), iter([7200.0, 3600.0])  # somebody sets the wall's clock back
    monkeypatch.setattr(journal.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(journal.time, "time", lambda: next(wall))
    diary = Journal(tmp_path, tensorboard=False)
    for step in range(1, 5):
        diary.on_event(events.Progress(step, 12, 1, {"loss": 0.5}, 0.1, 10.0, 0.0, 100.0, None))
    diary.close()
    assert [json.loads(line)["step"] for line in (tmp_path / "events.jsonl").read_text().splitlines()] == [1, 4]


def test_tensorboard_gets_every_metric(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    diary = Journal(tmp_path)
    diary.on_event(STARTED)
    diary.on_event(ended(1, 0.25))
    diary.close()
    board = EventAccumulator(str(tmp_path / "tensorboard"))
    board.Reload()
    assert set(board.Tags()["tensors"]) == {"lr", "train/loss", "val/miou"}
    assert board.Tensors("val/miou")[0].step == 6


def test_a_full_disk_is_one_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diary = Journal(tmp_path, tensorboard=False)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(journal.os, "fsync", full)
    with pytest.raises(RunError, match="the journal could not be written: No space left on device; free some space"):
        diary.on_event(ended(1))
    monkeypatch.undo()
    diary.close()
