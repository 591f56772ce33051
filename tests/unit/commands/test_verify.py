from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from kvision import catalog
from kvision.commands import verify
from kvision.core import paths
from kvision.core.errors import UsageError
from kvision.report import receipt
from kvision.sweep import queue
from tests.unit.commands import fake_train

RECIPE = """
system: classification/mlp
data: {source: digits, size_px: 16}
expect: {metric: val/top1, at_least: 0.885}
"""


@pytest.fixture(autouse=True)
def recipe(monkeypatch, tmp_path):
    monkeypatch.setattr(queue, "POLL_S", 0.02)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    return path


def plan(out: str = "v", **options) -> verify.Plan:
    return verify.Plan(Path(out), train=(sys.executable, str(Path(fake_train.__file__))), **options)


def verdicts(capsys) -> list[dict]:
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [each for each in found if each["event"] == "verdict"]


def done(place: str, recipe: str = "mine.yaml", precision: str = "fp32", *overrides: str) -> Path:
    return fake_train.make(Path(place), catalog.load(recipe, overrides).values(), precision)


def test_a_seed_that_misses_the_expectation_is_told_and_is_the_exit_code(capsys, recipe):
    assert verify.run("mine.yaml", plan(seeds=2, json_lines=True, write=True)) == 1
    first, second = verdicts(capsys)
    assert (first["value"], first["met"], first["receipt"], first["bound"]) == (0.9, True, None, "at least 0.885")
    assert (second["seed"], second["met"]) == (1, False)
    assert [trial.seed for trial in receipt.read(recipe).trials] == [0, 1]


def test_what_comes_of_it_is_held_against_the_receipt(capsys, recipe):
    assert verify.run("mine.yaml", plan(write=True), runs=[str(done("before"))]) == 0
    path = receipt.path_of(recipe)
    facts = json.loads(path.read_text())
    facts["trials"][0] |= {"value": 0.91, "seconds": 90.0, "fingerprint": "other"}
    path.write_text(json.dumps(facts))
    capsys.readouterr()
    assert verify.run("mine.yaml", plan("w")) == 0
    out = capsys.readouterr().out
    assert "0.9 " in out
    assert "at least 0.885: met" in out
    assert "0.91 (other data)" in out
    assert "-0.01" in out
    assert "40 s (receipt: 1 min 30 s)" in out
    assert json.loads(path.read_text()) == facts  # nothing is written unasked


def test_a_finished_run_is_judged_without_training(capsys):
    assert verify.run("mine.yaml", plan(json_lines=True), runs=[str(done("run", "mine.yaml", "bf16", "train.seed=3"))]) == 1
    (found,) = verdicts(capsys)
    assert (found["seed"], found["precision"], found["met"]) == (3, "bf16", False)
    assert found["value"] == pytest.approx(0.84)
    assert not Path("v").exists()


def test_the_precision_is_the_receipts_unless_one_is_named(capsys):
    verify.run("mine.yaml", plan(write=True), runs=[str(done("run", precision="bf16"))])
    verify.run("mine.yaml", plan(json_lines=True))
    verify.run("mine.yaml", plan("w", json_lines=True, precision="fp32"))
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith('{"event": "verdict"')]
    assert [(each["precision"], each["receipt"]) for each in found] == [("bf16", 0.9), ("fp32", None)]


def test_a_receipt_of_other_values_does_not_count(capsys, recipe):
    verify.run("mine.yaml", plan(write=True), runs=[str(done("a")), str(done("b", "mine.yaml", "fp32", "train.seed=1"))])
    recipe.write_text(RECIPE + "optim: {lr: 0.5}\n")
    capsys.readouterr()
    assert verify.run("mine.yaml", plan(write=True), runs=[str(done("c"))]) == 0
    assert "mine: the recipe has changed since its receipt (optim.lr: 0.001 then, 0.5 now), which does not count any more" in capsys.readouterr().err
    assert [trial.seed for trial in receipt.read(recipe).trials] == [0]


def test_a_training_that_fails_is_an_error_and_a_recipe_without_a_bound_can_not_fail(capsys, recipe):
    recipe.write_text(RECIPE + "optim: {clip_norm: 13}\n")
    assert verify.run("mine.yaml", plan()) == 1
    assert "RuntimeError: boom" in capsys.readouterr().err
    recipe.write_text(RECIPE.replace("expect: {metric: val/top1, at_least: 0.885}", ""))
    assert verify.run("mine.yaml", plan(), runs=[str(done("run"))]) == 0
    assert "nothing" in capsys.readouterr().out


def test_under_takes_those_whose_receipts_say_so_the_quickest_first(monkeypatch, capsys):
    made = {}
    for name, seconds in (("slow", 200.0), ("quick", 10.0), ("middle", 50.0), ("unknown", None)):
        made[name] = file = Path(f"{name}.yaml").resolve()
        file.write_text(RECIPE)
        if seconds is not None:
            verify.run(str(file), plan(name, write=True))
            facts = json.loads(receipt.path_of(file).read_text())
            facts["trials"][0]["seconds"] = seconds
            receipt.path_of(file).write_text(json.dumps(facts))
    monkeypatch.setattr(paths, "shipped", lambda: made)
    capsys.readouterr()  # that there are folders of the recipes' names, too, must not matter
    assert verify.run(None, plan("all", json_lines=True), under="1.5min") == 0
    assert [each["recipe"] for each in verdicts(capsys)] == ["quick", "middle"]
    with pytest.raises(UsageError, match=r"no shipped recipe has a receipt that says it takes less than 5\.0 s"):
        verify.run(None, plan("none"), under="5s")


@pytest.mark.parametrize(
    ("recipe_name", "options", "message"),
    [
        (None, {}, "give a RECIPE, or --under TIME"),
        ("mine.yaml", {"under": "5min"}, "give a RECIPE, or --under TIME"),
        (None, {"under": "5 minutes"}, "--under 5 minutes: expected a number and one of s, min, h, such as 90s or 5min"),
        (None, {"under": "5min", "runs": ["a"]}, "--run is a run of one recipe"),
    ],
)
def test_what_does_not_fit_is_told(recipe_name, options, message):
    with pytest.raises(UsageError, match=message):
        verify.run(recipe_name, plan(), **options)
