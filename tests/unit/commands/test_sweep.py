from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from kvision import catalog, cli
from kvision.commands import sweep
from kvision.core.errors import RecipeError, RunError, UsageError
from kvision.sweep import worker
from tests.unit.sweep.plans import TRAIN


@pytest.fixture(autouse=True)
def _quick(monkeypatch, tmp_path):
    monkeypatch.setattr(worker, "POLL_S", 0.02)
    monkeypatch.chdir(tmp_path)


def test_a_sweep_from_the_command_to_the_best_recipe(tmp_path, capsys):
    texts = ["model.width=choice(8, 16, 32)", "train.epochs=1"]
    assert sweep.run("unet", texts, method="grid", jobs=3, train=TRAIN) == 0
    out, err = capsys.readouterr()
    assert "unet: grid search for max val/miou, 3 trials, into runs/sweeps/unet" in err
    assert "3 of 3" in err
    assert re.fullmatch(r"2 +0.5 +1 +[\d.]+ s +model.width=32 *", out.splitlines()[1])
    assert "model.width=32 is at the upper edge of choice(8, 16, 32)" in out
    assert "best recipe: kvision train runs/sweeps/unet/best.yaml" in out
    assert catalog.load(tmp_path / "runs/sweeps/unet/best.yaml").leaves()["model.width"] == 32
    assert "<svg" in (tmp_path / "runs/sweeps/unet/sweep.html").read_text()
    assert sweep.run("unet", texts, method="grid", json_lines=True, train=TRAIN) == 0  # nothing is left to do: the result is told again
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["best"]["result"] == 0.5


def test_json_lines_and_the_exit_code_without_a_result(capsys):
    assert sweep.run("unet", ["train.seed=choice(13, 14)"], method="grid", study="s", json_lines=True, train=TRAIN) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["trial_began", "trial_ended", "trial_began", *["epoch_ended"] * 3, "trial_ended", "result"]
    assert events[-1]["counts"] == {"crashed": 1, "diverged": 1}
    assert events[-1]["best"] is None


def test_the_loss_is_minimised(capsys):
    texts = ["model.width=choice(8, 16, 32)", "train.epochs=1"]
    assert sweep.run("unet", texts, method="grid", metric="val/loss", json_lines=True, train=TRAIN) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["best"]["values"] == {"model.width": 32}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metric": "train/loss"}, UsageError, "got 'train/loss', expected a column .* measured on validation examples, such as val/miou"),
        ({"metric": "val/dice"}, UsageError, "--metric val/dice: whether its greatest or its smallest value is the best can't be told"),
        ({"method": "grid"}, UsageError, r"--method grid: optim.lr=log\(0.0001, 0.1\) has endlessly many values; .* such as log\(1e-4, 1e-1, 4\)"),
        ({"texts": ["optim.lr=log(1e-4, 1, 4)"]}, UsageError, r"optim.lr=log\(0.0001, 1, 4\): a number of points has a meaning with --method grid"),
        ({"method": "grid", "texts": ["train.seed=int(0, 1000000)"]}, UsageError, "1,000,001 sets of values, expected at most 100,000"),
        ({"texts": ["optim.lrr=log(1e-4, 1)"]}, RecipeError, "optim.lrr: unknown key"),
        ({"study": "."}, RunError, r"\. exists and is not a sweep; choose another folder with --study"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_before_anything_is_made(tmp_path, options, error, message):
    (tmp_path / "mine.txt").touch()
    with pytest.raises(error, match=message):
        sweep.run("unet", options.pop("texts", ["optim.lr=log(1e-4, 1e-1)"]), **options)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command_line_takes_a_space_file_and_no_tensorflow(tmp_path):
    (tmp_path / "space.yaml").write_text("model.width: choice(8, 16)\nmodel.depht: int(2, 3)\n")
    code = f"""
import sys
from typer.testing import CliRunner
from kvision import cli
result = CliRunner().invoke(cli.app, ["sweep", "unet", "--space", {str(tmp_path / "space.yaml")!r}, "optim.lr=log(0, 1)"])
print(result.output, result.exit_code, sorted({{name.partition(".")[0] for name in sys.modules}} & {{"tensorflow", "keras", "optuna", "matplotlib"}}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "command line: optim.lr: got log(0, 1), expected values above 0" in done.stdout
    assert done.stdout.endswith("2 []\n")


def test_every_option_reaches_the_search(monkeypatch):
    seen = {}
    monkeypatch.setattr(sweep, "run", lambda recipe, texts, **options: seen.update(options, recipe=recipe, texts=texts) or 0)
    words = "sweep unet optim.lr=log(1e-4,1) --space s.yaml --trials 7 --jobs 2 --study s --method coarse-to-fine --rounds 4 --prune hyperband"
    more = "--metric val/loss --mode min --seed 3 --storage sqlite:// --devices cpu --precision bf16 --smoke --json"
    assert CliRunner().invoke(cli.app, [*words.split(), *more.split()]).exit_code == 0
    assert seen == {
        "recipe": "unet", "texts": ["optim.lr=log(1e-4,1)"], "space_file": "s.yaml", "trials": 7, "jobs": 2, "study": "s", "method": "coarse-to-fine",
        "rounds": 4, "prune": "hyperband", "metric": "val/loss", "mode": "min", "seed": 3, "storage": "sqlite://", "devices": "cpu",
        "precision": "bf16", "smoke": True, "json_lines": True,
    }  # fmt: skip


def test_help_and_its_example():
    result = CliRunner().invoke(cli.app, ["sweep", "--help"])
    assert result.exit_code == 0
    assert "Example: kvision sweep recipes/unet.yaml" in result.output


@pytest.mark.slow
def test_two_real_trainings(tmp_path):
    command = [sys.executable, "-m", "kvision", "sweep", "unet", "optim.lr=log(1e-4, 1e-1)", "model.width=choice(4, 8)"]
    options = ["--smoke", "--trials", "2", "--jobs", "2", "--study", str(tmp_path / "s"), "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["counts"] == {"finished": 2}
    hashes = {(tmp_path / "s" / f"trial-000{number}" / "recipe.yaml").read_bytes() for number in range(2)}
    assert len(hashes) == 2
    best = tmp_path / "s" / "best.yaml"
    again = [sys.executable, "-m", "kvision", "train", str(best), "--smoke", "--run-dir", str(tmp_path / "again")]
    subprocess.run(again, capture_output=True, check=True)
    assert (tmp_path / "again" / "report.html").exists()
