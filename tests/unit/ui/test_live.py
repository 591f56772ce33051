from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kvision.engine.journal import Journal
from kvision.ui import live
from tests.unit import run_folders

if TYPE_CHECKING:
    from pathlib import Path


def test_only_what_is_new_is_read_and_only_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("one\ntwo\nthr")
    first = live.read(path)
    assert (first.lines, first.fresh) == (("one", "two"), True)
    assert live.read(path, first.token) == live.News((), first.token, fresh=False)
    with path.open("a") as file:
        file.write("ee\nfour\n")
    second = live.read(path, first.token)
    assert (second.lines, second.fresh) == (("three", "four"), False)


def test_a_file_that_was_replaced_or_cut_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_text("one\ntwo\n")
    token = live.read(path).token
    (tmp_path / "new").write_text("ONE\ntwo\nthree\n")
    (tmp_path / "new").replace(path)
    assert live.read(path, token).lines == ("ONE", "two", "three")
    token = live.read(path).token
    path.write_text("ONE\n")
    assert live.read(path, token) == live.News(("ONE",), live.read(path).token, fresh=True)


@pytest.mark.parametrize("token", ["", "-", "x", "1-2-3", "0-99999999999999999999999", "-5", "٣-٣"])
def test_a_token_of_anything_else_reads_from_the_beginning(tmp_path: Path, token: str) -> None:
    (tmp_path / "lines").write_text("one\n")
    assert live.read(tmp_path / "lines", token).lines == ("one",)
    assert live.read(tmp_path / "missing", token).lines == ()


def test_epochs_have_their_columns_once_and_null_for_what_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text('epoch,step,"a,b"\n1,10,0.5\n2,20,nan\n')
    first = live.epochs(tmp_path, "")
    assert (first["columns"], first["rows"], first["fresh"]) == (["epoch", "step", "a,b"], [[1, 10, 0.5], [2, 20, None]], True)
    with path.open("a") as file:
        file.write("3,30,inf\n4,40,")
    whole = path.stat().st_size - len("4,40,")
    assert live.epochs(tmp_path, first["token"]) == {"token": f"{path.stat().st_ino}-{whole}", "fresh": False, "rows": [[3, 30, None]]}
    json.dumps(first, allow_nan=False)


def test_a_resumed_training_is_read_anew(tmp_path: Path) -> None:
    run = run_folders.make(tmp_path / "a")
    token = live.epochs(run, "")["token"]
    Journal(run, epoch=1, tensorboard=False).close()  # cuts off the rows after the checkpoint
    again = live.epochs(run, token)
    assert (again["fresh"], [row[0] for row in again["rows"]]) == (True, [1])


def test_steps_and_progress_come_of_the_events(tmp_path: Path) -> None:
    events = [
        {"event": "started", "step": 0},
        {"event": "progress", "step": 1, "loss": 2.5, "lr": 0.1, "total": 9},
        {"event": "progress", "step": 2, "means": {"loss": 2.0}, "lr": "fast"},
        {"event": "progress", "step": 2, "means": [1]},
        {"event": "progress", "loss": 1},
        {"event": "progress", "step": 10**400, "loss": 1},
        {"event": "progress", "step": 3, "loss": 1.5, "lr": 0.1, "total": 9},
        {"event": "warned", "message": "progress"},
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(["[]", "{", *map(json.dumps, events)]) + '\n{"event": "pro')
    assert live.steps(tmp_path, "")["rows"] == [[1, 2.5, 0.1], [2, 2.0, None], [3, 1.5, 0.1]]
    assert live.progress(tmp_path)["step"] == 3
    assert live.progress(tmp_path / "missing") == {}
