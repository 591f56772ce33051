"""`kvision train` from the recipe to the report, with the real U-Net on tiny scenes."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from kvision.commands import listing, train
from kvision.core.errors import DataError, DivergedError, RunError
from kvision.core.resolved import Origin
from kvision.core.schema import Chosen
from kvision.engine import events
from kvision.engine.actions import panel
from tests.unit import run_folders

RECIPE = """
system: segmentation/unet
model: {width: 4, depth: 1}
data: {source: scenes, size_px: 32, batch: 4, train_size: 12, val_size: 6}
optim: {name: adamw, lr: 1e-3, ema: 0.9}
train: {epochs: 2}
smoke: {train.epochs: 1}
expect: {metric: val/miou, at_least: 0.9999, evidence: none}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    file.write_text(RECIPE)
    return file


class Interrupting(events.Action):
    """Presses Ctrl-C after the first steps."""

    def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.Progress):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(scope="module")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was interrupted, and went on to its end."""
    run_dir = tmp_path_factory.mktemp("runs") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel, "make", lambda as_json: Interrupting())
        assert train.run(recipe, run_dir=run_dir, devices="cpu") == 130
    assert json.loads((run_dir / "summary.json").read_text())["status"] == "interrupted"
    assert "This run is not finished" in (run_dir / "report.html").read_text()
    assert train.run(recipe, run_dir=run_dir, devices="cpu", resume=True, json_lines=True) == 0
    return run_dir


def test_the_run_folder_holds_all_that_was_promised(finished: Path) -> None:
    expected = {
        "recipe.yaml", "resolved.json", "environment.json", "data.json", "metrics.csv", "events.jsonl", "summary.json", "evaluation.json",
        "report.html", "model_card.md", "model.keras", "checkpoints/index.json", "weights/last.weights.h5", "weights/best.weights.h5",
        "weights/ema.weights.h5",
    }  # fmt: skip
    assert expected <= {str(path.relative_to(finished)) for path in finished.rglob("*")}
    assert list((finished / "tensorboard").iterdir())
    assert list((finished / "pictures").glob("*.png"))
    assert not list(finished.rglob("*tmp*"))


def test_metrics_have_one_row_an_epoch(finished: Path) -> None:
    with (finished / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:6] == ["epoch", "step", "lr", "train/loss", "val/loss", "val/miou"]
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "3"), ("2", "6")]


def test_the_recipe_in_the_run_folder_trains_the_same(finished: Path) -> None:
    from kvision import catalog

    assert catalog.load(finished / "recipe.yaml").values() == catalog.from_run(finished).values()


def test_what_was_chosen_is_written_down_and_does_not_bind_another_run(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from kvision import catalog

    assert catalog.from_run(finished).origins["train.steps"] == Origin("auto", "2 epochs of 3 steps", 6)
    again = catalog.load(finished / "recipe.yaml", ["data.train_size=40"])
    assert again.recipe.train.steps is None
    assert again.origins["train.steps"].value is None
    capsys.readouterr()
    listing.run_show(str(finished), resolved=True)
    text = capsys.readouterr().out
    assert re.search(r"^train\.steps +6 +auto: 2 epochs of 3 steps$", text, re.MULTILINE)
    assert re.search(r"^data\.cache +ram +auto: scenes are drawn into memory$", text, re.MULTILINE)
    assert "2 epochs of 3 steps" in (finished / "report.html").read_text()


def test_evaluation_agrees_with_the_best_row(finished: Path) -> None:
    best = json.loads((finished / "summary.json").read_text())["best"]
    found = json.loads((finished / "evaluation.json").read_text())["metrics"]
    assert found["miou"] == pytest.approx(best["val/miou"], abs=1e-9)


def test_a_finished_run_is_left_alone_and_its_result_printed(finished: Path, recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (finished / "events.jsonl").read_bytes()
    capsys.readouterr()
    assert train.run(recipe, run_dir=finished, devices="cpu", resume=True) == 0
    out, err = capsys.readouterr()
    assert f"{finished}: this run is complete, after 2 epochs; nothing is left to train" in err
    miou = json.loads((finished / "summary.json").read_text())["best"]["val/miou"]
    assert out.startswith(f"val/miou {miou:.4f} (best, epoch ")
    assert "expected at least 0.9999 (none): NOT met" in out
    assert f"report: {finished / 'report.html'}" in out
    assert (finished / "events.jsonl").read_bytes() == before


def test_changes_since_the_run_began_are_refused(finished: Path, recipe: Path) -> None:
    with pytest.raises(RunError, match=r"optim.lr: 0.001 when the run began, 0.01 now\n  train.epochs: 2 when the run began, 1 now"):
        train.run(recipe, ["optim.lr=0.01"], run_dir=finished, devices="cpu", resume=True, smoke=True)


def test_a_run_of_another_system_is_refused_too(finished: Path, recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace(decided=lambda: {"model.examples": Chosen("all training examples", 40)})
    monkeypatch.setattr("kvision.catalog.from_run", lambda run_dir: other)
    with pytest.raises(RunError, match=r"optim.lr: 0.001 when the run began, 0.01 now"):
        train.run(recipe, ["optim.lr=0.01"], run_dir=finished, devices="cpu", resume=True)


def test_it_needs_resume_to_touch_a_run(finished: Path, recipe: Path) -> None:
    with pytest.raises(RunError, match="already holds a run; go on with it by --resume"):
        train.run(recipe, run_dir=finished, devices="cpu")


def test_a_run_that_never_began_leaves_nothing(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data.batch: 64 is more than the 12 training examples"):
        train.run(recipe, ["data.batch=64"], run_dir=tmp_path / "run", devices="cpu")
    assert not (tmp_path / "run").exists()


def test_a_diverged_run_has_its_report_too(recipe: Path, tmp_path: Path) -> None:
    exploding = ["optim.name=sgd", "optim.lr=1e9", "model.norm=none", "loss.name=ce", "train.epochs=20"]
    with pytest.raises(DivergedError, match=r"step \d+ of epoch \d+: the .* on the batch scenes/train/\d+, .* start anew with a smaller optim\.lr"):
        train.run(recipe, exploding, run_dir=tmp_path / "run", devices="cpu")
    page = (tmp_path / "run/report.html").read_text()
    assert "diverged" in page
    assert "--resume" not in page
    assert "on the batch scenes/train/" in page


def test_an_expectation_of_a_metric_that_is_not_measured_is_said_to_be_void(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train._print_result(run_folders.make(tmp_path / "run", expect={"metric": "val/mio", "at_least": 0.5}), json_lines=False, judged=True)
    out, err = capsys.readouterr()
    assert "expect.metric: metrics.csv has no 'val/mio'; it has train/loss, val/loss, val/miou; did you mean \"val/miou\"?" in err
    assert "expected" not in out


def test_files_left_out_are_counted_and_named() -> None:
    assert train._left_out({"skipped": {"train": [], "val": []}}) == []
    faults = [{"kind": "zero-byte", "files": ["a.png"]}]
    (one,) = train._left_out({"left_out": faults, "skipped": {"train": [], "val": []}})
    assert one == "data.on_error: skip left out 1 file: a.png"
    (many,) = train._left_out({"left_out": faults, "skipped": {"train": [f"{number}.jpg" for number in range(5)], "val": ["v.jpg"]}})
    assert many == "data.on_error: skip left out 7 files: a.png, 0.jpg, 1.jpg, 2.jpg, 3.jpg and 2 more (all of them in data.json)"


def test_the_default_folder_and_the_way_to_go_on(recipe: Path) -> None:
    words = train._command(recipe, ["model.filters=[8, 16]"], "my runs/a", True, "cpu:2", "bf16", ["mlflow"], False, None)
    begin = f"kvision train {recipe} 'model.filters=[8, 16]' --run-dir 'my runs/a' "
    assert words == begin + "--deterministic --devices cpu:2 --precision bf16 --track mlflow --resume"
    assert str(train.runfolder.default(recipe)) == "runs/tiny"
