from __future__ import annotations

import re

from kvision.report import sweep
from kvision.sweep.outcome import Outcome
from kvision.sweep.ranges import Choice, Range
from kvision.sweep.trials import Trial

PARAMETERS = {"optim.lr": Range(1e-4, 1e-1, log=True), "optim.name": Choice(("adamw", "sgd<b>"))}


def make(folder, *trials, **facts):
    return Outcome("s", folder, "unet", "val/miou", facts.pop("mode", "max"), PARAMETERS, trials, **facts)


def trial(number, result, lr=0.01, name="adamw", state="finished", **facts):
    return Trial(number, {"optim.lr": lr, "optim.name": name}, state, result, epochs=3, seconds=60.0, **facts)


def test_the_page_has_the_trials_the_pictures_and_the_advice(tmp_path):
    found = make(
        tmp_path,
        trial(0, 0.5), trial(1, 0.8, 1e-1, "sgd<b>"), trial(2, 0.2, state="pruned"), trial(3, None, state="crashed", message="boom <i>\nmore"),
        trial(4, 0.8, 1e-1, state="copy", twin=1),
        importance={"optim.lr": 0.75, "optim.name": 0.25}, edges=["optim.lr=0.1 is at the upper edge"],
    )  # fmt: skip
    page = sweep.write(found).read_text()
    assert page.count("<svg") == 3
    assert "optim.lr=0.1 is at the upper edge" in page
    assert re.findall(r"<tr><td>(\d)</td><td>(\w+)</td>", page) == [
        ("1", "finished"), ("0", "finished"), ("2", "pruned"), ("3", "crashed"), ("4", "copy"),
    ]  # fmt: skip
    assert "boom &lt;i&gt;</td>" in page
    assert "as trial 1" in page
    assert "kvision train" in page
    assert f"{tmp_path}/best.yaml" in page
    assert "5 min 00 s" in page
    assert "<b>" not in page.replace("&lt;b&gt;", "")
    assert "<script" not in page
    assert {path.name for path in (tmp_path / "pictures").iterdir()} == {"history.png", "importance.png", "parallel.png"}


def test_without_results_there_are_no_pictures(tmp_path):
    page = sweep.write(make(tmp_path, trial(0, None, state="crashed"))).read_text()
    assert "No trial has finished yet" in page
    assert "<svg" not in page
    assert not (tmp_path / "pictures").exists()


def test_history_shows_the_best_so_far_of_either_mode(tmp_path):
    trials = [trial(0, 0.5), trial(1, 0.3), trial(2, 0.9), trial(3, 0.1)]
    for mode, expected in (("max", [0.5, 0.5, 0.9, 0.9]), ("min", [0.5, 0.3, 0.3, 0.1])):
        (axes,) = sweep.history(make(tmp_path, *trials, mode=mode)).axes
        steps = next(line for line in axes.lines if line.get_label() == "best so far")
        assert list(steps.get_ydata()) == expected


def test_a_trial_is_a_line_through_the_places_of_its_values(tmp_path):
    (axes,) = sweep.parallel(make(tmp_path, trial(0, 0.2, 1e-4), trial(1, 0.6, 1e-1, "sgd<b>"), trial(2, 0.4, 1e-3))).axes
    lines = [list(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 3]
    assert [[round(float(height), 6) for height in line] for line in lines] == [[0, 0, 0], [0.333333, 0, 0.5], [1, 1, 1]]  # the best on top
    assert [label.get_text() for label in axes.get_xticklabels()] == ["optim.lr", "optim.name", "val/miou"]


def test_values_outside_of_a_range_that_was_moved_stay_in_the_picture(tmp_path):
    (axes,) = sweep.parallel(make(tmp_path, trial(0, 0.2, 1e-9), trial(1, 0.2, 10.0))).axes
    heights = [float(line.get_ydata()[0]) for line in axes.lines if len(line.get_xdata()) == 3]
    assert heights == [1.0, 0.0]
