from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from kvision.sweep import progress
from kvision.sweep.trials import Trial

DONE = Trial(3, {"optim.lr": 0.00123456, "model.width": 16}, "finished", 0.87654, epochs=5, seconds=72.0, folder="trial-0003")
CRASHED = Trial(4, {"optim.lr": 0.1}, "crashed", message="exit code 1\nRuntimeError: boom", seconds=1.0)


def test_lines_say_what_was_found_and_how_long_it_will_take(capsys):
    with progress.make("val/miou", 20) as shown:
        shown.began(3, DONE.values, "trial-0003")
        shown.epoch(3, 1, 0.5)
        shown.ended(DONE, best=True, done=4, left_s=1200.0)
        shown.ended(CRASHED, best=False, done=20, left_s=0.0)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "trial 3 begins: optim.lr=0.001235  model.width=16",
        "trial 3 finished: val/miou 0.8765 (best), 5 epochs in 1 min 12 s; 4 of 20, left 20 min 00 s",
        "trial 4 crashed, 0 epochs in 1.0 s; 20 of 20",
        "exit code 1",
        "RuntimeError: boom",
    ]


def test_json_lines(capsys):
    with progress.make("val/miou", 20, as_json=True) as shown:
        shown.began(3, DONE.values, "trial-0003")
        shown.epoch(3, 1, float("nan"))
        shown.ended(DONE, best=True, done=4, left_s=None)
    began, epoch, ended = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert began == {"event": "trial_began", "number": 3, "values": DONE.values, "folder": "trial-0003"}
    assert epoch == {"event": "epoch_ended", "number": 3, "epoch": 1, "value": None}
    assert {key: ended[key] for key in ("event", "number", "state", "result", "best", "done", "total", "left_s")} == {
        "event": "trial_ended", "number": 3, "state": "finished", "result": 0.87654, "best": True, "done": 4, "total": 20, "left_s": None,
    }  # fmt: skip


def test_a_terminal_shows_the_running_trials(monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    shown = progress.LivePanel("val/miou", 20, console)
    shown.began(3, DONE.values, "trial-0003")
    shown.began(5, {"optim.lr": 0.01}, "trial-0005")
    shown.epoch(3, 2, 0.51)
    console.print(shown._draw())
    rows = [line.split() for line in screen.getvalue().splitlines() if line.strip()]
    assert rows[-3:] == [
        ["trial", "epoch", "val/miou", "values"], ["3", "2", "0.51", "optim.lr=0.001235", "model.width=16"], ["5", "—", "—", "optim.lr=0.01"],
    ]  # fmt: skip
    shown.ended(DONE, best=True, done=4, left_s=60.0)
    console.print(shown._draw())
    assert "4 of 20, left 1 min 00 s" in screen.getvalue()
    assert screen.getvalue().splitlines()[-1].split()[0] == "5"


def test_a_pipe_gets_lines_and_a_terminal_the_panel(monkeypatch):
    assert type(progress.make("val/miou", 3)) is progress.Progress
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress.make("val/miou", 3) as shown:
        assert isinstance(shown, progress.LivePanel)


@pytest.mark.parametrize(("values", "text"), [({}, ""), ({"a.b": None}, "a.b=—"), ({"x": "adamw", "y": 10000}, "x=adamw  y=10,000")])
def test_values_in_one_line(values, text):
    assert progress.listed(values) == text
