from __future__ import annotations

import dataclasses
import io
import json
import math

import pytest
from rich.console import Console

from kvision.engine import events
from kvision.engine.actions import panel

STARTED = events.Started("runs/x", "segmentation/unet", 0, 40, 20, 2, 16, 1234567, ("CPU:0",), "fp32", "val/miou", "max")
FINISHED = events.Finished("finished", 40, 2, 75.0, 101.3, 0.012, {"epoch": 2, "val/miou": 0.8125}, "report: runs/x/report.html")


def progress(step, loss=0.5):
    return events.Progress(step, 40, 1 + (step - 1) // 20, {"loss": loss}, 1e-3, 101.26, 0.012, 1024.0, 62.0)


def ended(epoch, miou, best=True):
    return events.EpochEnded(
        20 * epoch, epoch, {"epoch": epoch, "step": 20 * epoch, "lr": 1e-3, "train/loss": 0.5, "val/miou": miou}, best, 12.0, 101.0, 0.01
    )


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def lines_action():
    stream, clock = io.StringIO(), Clock()
    return panel.Lines(stream, clock), stream, clock


def test_a_plain_line_every_ten_seconds_and_at_each_epoch_end():
    action, stream, clock = lines_action()
    action.on_event(STARTED)
    for step in range(1, 26):
        clock.now = float(step)
        action.on_event(progress(step))  # the line of the start counts: the next may come at 10 s
    action.on_event(ended(1, 0.75))
    clock.now = 36.0
    action.on_event(progress(26))
    action.on_event(FINISHED)
    text = stream.getvalue()
    steps = [line.split("  ")[1] for line in text.splitlines() if "  step " in line]
    assert steps == ["step 10/40 (25 %)", "step 20/40 (50 %)", "step 26/40 (65 %)"]  # at 10 s, 20 s, and 11 s after the epoch's line
    assert "epoch 1 ended  loss 0.5  val/miou 0.75 (best)" in text
    assert "best val/miou 0.75" in text.splitlines()[-4]
    assert text.splitlines()[-3:] == [
        "finished: 40 steps, 2 epochs in 1 min 15 s (101.3 images/s, 1.2 % of the time waiting for data)",
        "best: val/miou 0.8125 at epoch 2",
        "report: runs/x/report.html",
    ]
    assert all(character.isprintable() or character == "\n" for character in text)


def test_the_start_says_who_trains_on_what_part_of_the_batch():
    action, stream, _ = lines_action()
    action.on_event(STARTED)
    action.on_event(dataclasses.replace(STARTED, devices=("cpu:0", "cpu:1"), workers=2, replicas=4, collective="ring", step=20))
    assert stream.getvalue().splitlines() == [
        "segmentation/unet: 1,234,567 parameters, fp32, CPU:0",
        "1 replica on 1 worker, batch 16",
        "2 epochs of 20 steps, into runs/x",
        "segmentation/unet: 1,234,567 parameters, fp32, cpu:0, cpu:1 on each worker",
        "4 replicas on 2 workers, batch 16 = 4 a replica, gradients summed by ring",
        "2 epochs of 20 steps, into runs/x; going on from step 20",
    ]


def test_a_divergence_is_left_to_the_error_message():
    action, stream, _ = lines_action()
    action.on_event(STARTED)
    action.on_event(events.Finished("diverged", 1, 0, 2.0, 0.0, 0.0, None, "the loss became nan"))
    assert "diverged: 1 step" in stream.getvalue()
    assert "the loss became nan" not in stream.getvalue()


def test_a_line_tells_loss_rate_speed_wait_memory_and_time_left():
    line = panel.progress_line(progress(7, loss=0.12345678), "val/miou", math.nan, "images/s")
    assert line == "epoch 1  step 7/40 (17 %)  loss 0.1235  lr 0.001  101.3 images/s  waiting 1.2 %  memory 1.1 GB  left 1 min 02 s"


def test_speeds_are_in_the_unit_of_the_examples():
    action, stream, _ = lines_action()
    for event in (dataclasses.replace(STARTED, unit="step"), ended(1, 0.75), FINISHED):
        action.on_event(event)
    assert stream.getvalue().count(" steps/s") == 2
    assert "images" not in stream.getvalue()


@pytest.mark.parametrize(
    "make", [lambda stream: panel.Lines(stream), lambda stream: panel.LivePanel(Console(file=stream, force_terminal=True, width=90))]
)
def test_a_warning_is_shown_once(make):
    stream = io.StringIO()
    action = make(stream)
    action.on_event(STARTED)
    for _ in range(3):
        action.on_event(events.Warned("few steps"))
    action.on_event(FINISHED)
    assert stream.getvalue().count("few steps") == 1


@pytest.mark.parametrize("width", [120, 80, 40])
def test_the_live_panel_fits_the_terminal_and_shows_it_all(width):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=width, height=40, color_system=None)
    action = panel.LivePanel(console)
    for event in (STARTED, progress(20), ended(1, 0.75), progress(30), events.EvaluationStarted(30, 2, 3), progress(31)):
        action.on_event(event)
    plain = Console(file=io.StringIO(), width=width, color_system=None)
    plain.print(action._draw())
    action.on_event(FINISHED)
    shown = plain.file.getvalue()
    for wanted in (
        "epoch 2/2",
        "11/20",
        "31/40",
        "loss 0.5",
        "miou 0.75 (best 0.75)",
        "rate 0.001",
        "images/s 101.3",
        "waiting 1.2 %",
        "memory 1.1 GB",
        "left 1 min 02 s",
    ):
        assert wanted in shown, wanted
    assert max(map(len, shown.splitlines())) <= width
    assert "best: val/miou 0.8125 at epoch 2" in stream.getvalue()


def test_a_run_that_ends_within_an_epoch_has_fewer_steps_than_its_epochs():
    short = dataclasses.replace(STARTED, total=25)
    stream = io.StringIO()
    for started in (STARTED, short):
        panel.Lines(stream).on_event(started)
    assert [line.partition(",")[0] for line in stream.getvalue().splitlines()[2::3]] == ["2 epochs of 20 steps", "25 steps"]
    action = panel.LivePanel(Console(file=io.StringIO(), force_terminal=True, width=80))
    for event in (short, dataclasses.replace(progress(23), total=25)):
        action.on_event(event)
    plain = Console(file=io.StringIO(), width=80, color_system=None)
    plain.print(action._draw())
    action.close()
    assert "3/5" in plain.file.getvalue()


def test_no_color_leaves_no_colours(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    action = panel.LivePanel(Console(file=stream, force_terminal=True, width=80))
    for event in (STARTED, progress(20), FINISHED):
        action.on_event(event)
    assert "\x1b[32m" not in stream.getvalue()


def test_json_is_one_object_a_line_and_knows_no_nan():
    stream = io.StringIO()
    action = panel.JsonLines(stream)
    for event in (STARTED, progress(1, loss=math.nan), FINISHED):
        action.on_event(event)
    found = [json.loads(line, parse_constant=pytest.fail) for line in stream.getvalue().splitlines()]
    assert [event["event"] for event in found] == ["started", "progress", "finished"]
    assert found[1]["means"]["loss"] is None
    assert found[2]["best"] == {"epoch": 2, "val/miou": 0.8125}


def test_make_chooses_by_where_the_output_goes(monkeypatch, capsys):
    assert isinstance(panel.make(as_json=True), panel.JsonLines)
    assert isinstance(panel.make(), panel.Lines)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(panel.make(), panel.LivePanel)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(panel.make(), panel.Lines)


def test_closing_before_the_start_is_fine():
    panel.LivePanel(Console(file=io.StringIO(), force_terminal=True)).close()
