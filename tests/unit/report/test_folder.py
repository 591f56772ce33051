from __future__ import annotations

import json

import pytest

from kvision.core.errors import RunError
from kvision.report import folder
from tests.unit import run_folders


def test_reads_what_the_run_wrote(tmp_path):
    run = folder.read(run_folders.make(tmp_path / "a"))
    assert (run.name, run.system, run.status) == ("a", "segmentation/unet", "finished")
    assert [row["val/miou"] for row in run.rows] == list(run_folders.MIOU)
    assert len(run.epochs) == 3
    assert run.warnings == ("careful <script>alert(1)</script>",)
    assert run.command == "kvision train 'recipes/my unet.yaml'"


def test_headline_is_the_best_epoch_against_the_expectation(tmp_path):
    headline = folder.read(run_folders.make(tmp_path / "a")).headline
    assert headline == folder.Headline("val/miou", 0.6, 2, "at least 0.55", True, "measured")


@pytest.mark.parametrize(
    ("bounds", "text", "met"),
    [({"at_least": 0.7}, "at least 0.7", False), ({"at_most": 0.65, "at_least": 0.1}, "at least 0.1 and at most 0.65", True)],
)
def test_expectation_bounds(tmp_path, bounds, text, met):
    run = folder.read(run_folders.make(tmp_path / "a", expect={"metric": "val/miou", **bounds}))
    assert (run.headline.bound, run.headline.met) == (text, met)


def test_without_expectation_or_summary_the_monitor_chooses(tmp_path):
    path = run_folders.make(tmp_path / "a", expect=None)
    (path / "summary.json").unlink()
    headline = folder.read(path).headline
    assert (headline.metric, headline.value, headline.epoch, headline.met) == ("val/miou", 0.6, 2, None)


def test_an_expected_metric_that_is_not_there_leaves_the_monitor(tmp_path):
    headline = folder.read(run_folders.make(tmp_path / "a", expect={"metric": "val/mio", "at_least": 0.5})).headline
    assert (headline.metric, headline.value, headline.bound, headline.met) == ("val/miou", 0.6, "", None)


def test_a_falling_metric_is_best_where_it_is_smallest(tmp_path):
    path = run_folders.make(tmp_path / "a", expect={"metric": "val/loss", "at_most": 0.4})
    (path / "summary.json").write_text(json.dumps({"status": "finished"}))
    headline = folder.read(path).headline
    assert (headline.value, headline.epoch, headline.met) == (pytest.approx(1.1 / 3), 3, True)


def test_torn_files_of_a_killed_run_are_empty(tmp_path):
    path = run_folders.make(tmp_path / "a")
    (path / "summary.json").write_text('{"status": "fin')
    (path / "evaluation.json").write_text("")
    with (path / "metrics.csv").open("a") as file:
        file.write("4,12,0.0")
    run = folder.read(path)
    assert (run.status, run.evaluation, len(run.rows)) == ("running", {}, 3)


def test_errors_say_what_to_do(tmp_path):
    with pytest.raises(RunError, match=r"nothing: no such run folder; `kvision runs list`"):
        folder.read(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"no readable resolved\.json"):
        folder.read(tmp_path)
