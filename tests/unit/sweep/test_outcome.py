from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from kvision import catalog
from kvision.core.errors import RunError
from kvision.sweep import outcome, rewrite
from kvision.sweep.trials import Trial, best_first
from tests.unit.sweep import plans

SPACE = ("optim.lr=log(1e-4, 1e-1)", "model.width=choice(8, 16, 32)", "train.seed=int(0, 9)", "train.epochs=3")


def trial(number, result=None, *, lr=0.01, width=16, seed=4, state="finished", **facts):
    values = {"optim.lr": lr, "model.width": width, "train.seed": seed}
    return Trial(number, values, state, result, epochs=3, seconds=10.0, folder=f"trial-{number:04d}", **facts)


@pytest.fixture
def made(tmp_path):
    return plans.plan(tmp_path, *SPACE)


def test_the_best_come_first_and_the_earlier_of_equals():
    trials = [trial(0, 0.5), trial(1, 0.7), trial(2, 0.9, state="pruned"), trial(3, 0.7), trial(4, state="crashed")]
    assert [each.number for each in best_first(trials, "max")] == [1, 3, 0]
    assert [each.number for each in best_first(trials, "min")] == [0, 1, 3]


@pytest.mark.parametrize(
    ("values", "messages"),
    [
        ({}, []),
        (
            {"lr": 1.1e-4},
            ["optim.lr=0.00011 is at the lower edge of log(0.0001, 0.1): the best may lie beyond; go on with 'optim.lr=log(3e-06, 0.1)'"],
        ),
        ({"width": 32}, ["model.width=32 is at the upper edge of choice(8, 16, 32): the best may lie beyond; add greater values in another sweep"]),
        ({"seed": 9}, []),
    ],
)
def test_a_best_value_at_the_edge_is_told_with_what_to_do(made, values, messages):
    found = outcome.edges(made, trial(0, 0.5, **values))
    assert len(found) == len(messages)
    for sentence, start in zip(found, messages, strict=True):
        assert sentence.startswith(start)


def test_no_wider_range_is_advised_where_the_option_ends(tmp_path):
    made = plans.plan(tmp_path, "data.augment.flip_x=uniform(0, 0.5)")
    (lower,) = outcome.edges(made, Trial(0, {"data.augment.flip_x": 0.01}, "finished", 0.5))
    assert lower.endswith("lower edge of uniform(0, 0.5): the best may lie beyond, but the recipe takes no such values")
    (upper,) = outcome.edges(made, Trial(0, {"data.augment.flip_x": 0.49}, "finished", 0.5))
    assert upper.endswith("go on with 'data.augment.flip_x=uniform(0, 0.8)' and more --trials")
    (lowest,) = outcome.edges(plans.plan(tmp_path, "model.width=logint(1, 8)"), Trial(0, {"model.width": 1}, "finished", 0.5))
    assert lowest.endswith("where no logarithm goes; search it with int or choice in another sweep")


def test_the_best_recipe_keeps_its_comments_and_says_what_the_trial_said(made, tmp_path):
    trials = [trial(0, 0.5), trial(1, 0.83251, lr=0.0031, width=8), trial(2, state="crashed", message="boom")]
    found = outcome.conclude(made, trials, {"optim.lr": 1.0})
    text = (tmp_path / "best.yaml").read_text()
    first, second = text.splitlines()[:2]
    assert first == f"# val/miou 0.8325, the best of 3 trials of unet (trial-0001).   kvision train {tmp_path}/best.yaml"
    assert second.startswith("# U-Net on composed scenes of real handwritten digits")
    assert "model: {width: 8, depth: 4}" in text
    assert "lr: 0.0031, schedule: cosine" in text
    best = catalog.load(tmp_path / "best.yaml")
    assert best.values() == catalog.load("unet", ["optim.lr=0.0031", "model.width=8", "train.seed=4", "train.epochs=3"]).values()
    assert found.ranked[0].number == 1
    rows = list(csv.reader((tmp_path / "trials.csv").read_text().splitlines()))
    assert rows[0][:4] == ["number", "state", "val/miou", "epochs"]
    assert rows[2][2:] == ["0.83251", "3", "10.0", "trial-0001", "", "", "0.0031", "8", "4"]
    facts = json.loads((tmp_path / "sweep.json").read_text())
    assert facts["best"] == {"number": 1, "result": 0.83251, "values": dict(trials[1].values), "folder": "trial-0001"}
    assert facts["counts"] == {"finished": 2, "crashed": 1}
    assert facts["space"]["optim.lr"] == "log(0.0001, 0.1)"


def test_relative_paths_of_the_best_recipe_lead_to_the_same_files(tmp_path):
    (tmp_path / "pictures").mkdir()
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("system: segmentation/unet\ndata: {source: image_masks, path: pictures, classes: 2}  # mine\n")
    (tmp_path / "s").mkdir()
    made = plans.plan(tmp_path / "s", "optim.lr=log(1e-4, 1e-1)", "data.path=./pictures", recipe=str(recipe))
    outcome.conclude(made, [Trial(0, {"optim.lr": 0.5}, "finished", 0.5)], {})
    assert "path: ../pictures, classes: 2}" in (tmp_path / "s" / "best.yaml").read_text()


def test_a_smoke_section_that_does_not_fit_the_best_values_is_left_out(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("system: segmentation/unet\ndata: {source: scenes}  # 128 px\nsmoke: {data.size_px: 16}\nmodel: {depth: 3}\n")
    made = plans.plan(tmp_path / "s", "model.depth=int(3, 6)", recipe=str(recipe))
    made.folder.mkdir()
    outcome.conclude(made, [Trial(0, {"model.depth": 3}, "finished", 0.5)], {})
    assert "smoke: {data.size_px: 16}\n" in (tmp_path / "s" / "best.yaml").read_text()
    outcome.conclude(made, [Trial(0, {"model.depth": 5}, "finished", 0.5)], {})
    text = (tmp_path / "s" / "best.yaml").read_text()
    assert text.partition("\n")[2] == "system: segmentation/unet\ndata: {source: scenes}  # 128 px\nmodel: {depth: 5}\n"


def test_a_best_trial_that_goes_with_the_smoke_section_only_is_told(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("system: segmentation/unet\ndata: {source: scenes, size_px: 48}\nsmoke: {data.size_px: 64}\nmodel: {depth: 3}\n")
    made = replace(plans.plan(tmp_path, "model.depth=choice(3, 4)", recipe=str(recipe)), smoke=True)
    with pytest.raises(RunError, match=r"best.yaml: trial-0000 has values .* smoke section only: 5 does not divide .*; search without --smoke"):
        outcome.conclude(made, [Trial(0, {"model.depth": 5}, "finished", 0.5)], {})
    assert not (tmp_path / "best.yaml").exists()


def test_without_a_finished_trial_there_is_no_best_recipe(made, tmp_path):
    found = outcome.conclude(made, [trial(0, state="crashed"), trial(1, state="lost")], {})
    assert (found.ranked, found.counts, found.edges) == ([], {"crashed": 1}, ())
    assert not (tmp_path / "best.yaml").exists()
    assert json.loads((tmp_path / "sweep.json").read_text())["best"] is None


def test_a_recipe_that_is_not_the_trials_is_not_passed_off_as_the_best(made, monkeypatch):
    monkeypatch.setattr(rewrite, "_put", lambda *_: None)
    with pytest.raises(RunError, match=r"best.yaml: does not say the same as trial-0000"):
        outcome.conclude(replace(made), [trial(0, 0.5)], {})
