from __future__ import annotations

import json
from pathlib import Path

import pytest

from kvision import catalog
from kvision.core import paths
from kvision.core.errors import RunError, UsageError
from kvision.core.schema import Expect
from kvision.engine.runfolder import flatten
from kvision.report import folder, receipt
from tests.unit.commands import fake_train

RECIPE = """
system: classification/mlp
data: {source: digits, size_px: 16}
expect: {metric: val/top1, at_least: 0.885}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPE)
    return path


def run(recipe: Path, place: str, *overrides: str, **facts) -> folder.RunFolder:
    return folder.read(fake_train.make(recipe.parent / place, catalog.load(recipe, overrides).values(), **facts))


def test_a_receipt_says_what_the_run_folder_says(recipe):
    found = receipt.make(catalog.load(recipe), "val/top1", [run(recipe, "b", "train.seed=1"), run(recipe, "a")])
    assert [trial.seed for trial in found.trials] == [0, 1]
    trial = found.trials[0]
    assert (trial.value, trial.epoch, trial.steps, trial.seconds) == (0.9, 2, 10, 40.5)
    assert trial.metrics == {"val/top1": 0.9}  # a NaN is no number to keep
    assert (trial.precision, trial.cpu, trial.cores, trial.commit, trial.fingerprint) == ("fp32", "a CPU", 2, "abc", "f00d")
    assert found.values["data.size_px"] == 16
    assert not {"train.seed", "expect.metric", "train.steps_per_call"} & found.values.keys()


def test_it_is_kept_beside_the_recipe_and_read_back_equal(recipe):
    found = receipt.make(catalog.load(recipe), "val/top1", [run(recipe, "a")])
    assert receipt.read(recipe) is None
    assert receipt.write(recipe, found) == recipe.parent / "receipts" / "mine.json"
    assert receipt.read(recipe) == found


def test_new_trials_join_the_old_ones_and_replace_their_like(recipe):
    resolved = catalog.load(recipe)
    old = receipt.make(resolved, "val/top1", [run(recipe, "a"), run(recipe, "b", "train.seed=1")])
    new = receipt.make(resolved, "val/top1", [run(recipe, "c", "train.seed=1", cpu="another"), run(recipe, "d", precision="bf16")])
    found = receipt.joined(old, new)
    assert [(*trial.key, trial.cpu) for trial in found.trials] == [(0, "bf16", "a CPU"), (0, "fp32", "a CPU"), (1, "fp32", "another")]
    assert receipt.joined(old, new.model_copy(update={"metric": "val/top5"})).trials == new.trials
    assert receipt.joined(None, new) == new


def test_a_value_that_the_recipe_changed_is_a_difference_and_what_changes_no_result_is_none(recipe):
    trained = flatten(catalog.load(recipe, ["optim.lr=0.5", "train.seed=7", "train.steps_per_call=3", "expect.at_least=0.1"]).values())
    assert receipt.changed(trained, catalog.load(recipe)) == {"optim.lr": (0.5, 0.001)}


def test_an_option_that_came_later_counts_only_where_the_recipe_sets_it(recipe):
    values = catalog.load(recipe).values()
    del values["model"]["dropout"], values["optim"]["ema"]
    trained = flatten(values)
    assert receipt.changed(trained, catalog.load(recipe)) == {}
    assert receipt.changed(trained, catalog.load(recipe, ["model.dropout=0.5"])) == {"model.dropout": (None, 0.5)}
    made = fake_train.make(recipe.parent / "old", values)
    assert "optim.ema" not in receipt.make(catalog.load(recipe), "val/top1", [folder.read(made)]).values  # it was not trained with
    assert receipt.changed({**trained, "model.gone": 1}, catalog.load(recipe)) == {"model.gone": (1, None)}


@pytest.mark.parametrize(
    ("overrides", "facts", "metric", "message"),
    [
        (["optim.lr=0.5"], {}, "val/top1", r"was not trained by .*mine.yaml as it is now \(optim.lr: 0.5 there, 0.001 in the recipe\)"),
        (
            ["optim.lr=0.5", "model.dropout=0.5", "data.batch=3", "optim.ema=0.5", "train.epochs=7"],
            {},
            "val/top1",
            r"\(.* there, .* in the recipe, .* there, .* and 2 more\); give a run of this recipe",
        ),
        ([], {"status": "interrupted"}, "val/top1", "this run is interrupted, and only what has finished counts"),
        ([], {}, "val/miou", "has no val/miou at its best epoch; it has val/top1, val/ece"),
        ([], {}, "val/ece", "has no val/ece"),
    ],
)
def test_a_run_that_proves_nothing_of_the_recipe_is_refused(recipe, overrides, facts, metric, message):
    with pytest.raises(RunError, match=message):
        receipt.make(catalog.load(recipe), metric, [run(recipe, "a", *overrides, **facts)])


def test_exported_files_come_from_the_proof(recipe):
    done = run(recipe, "a")
    (done.path / "bundle").mkdir()
    file = {"format": "tflite-fp32", "verdict": "compared", "bytes": 1000, "metric": "top1", "value": 0.9, "drop": 0.0, "p50_ms_1": 0.25, "more": 1}
    saved = {"format": "savedmodel", "verdict": "good", "bytes": 2000, "metric": "top1", "value": 0.9, "drop": 0.0}
    (done.path / "bundle" / "proof.json").write_text(json.dumps({"files": [file, saved]}))
    found = receipt.make(catalog.load(recipe), "val/top1", [run(recipe, "b", "train.seed=1"), done])
    assert [(each.format, each.bytes, each.latency_ms) for each in found.files] == [("tflite-fp32", 1000, 0.25), ("savedmodel", 2000, None)]
    assert receipt.joined(found, found.model_copy(update={"files": ()})).files == found.files


def test_a_damaged_receipt_is_named(recipe):
    path = receipt.path_of(recipe)
    path.parent.mkdir()
    path.write_text('{"metric": "val/top1", "trials": [], "values": {}, "by hand": 1}')
    with pytest.raises(RunError, match=r"(?s)mine\.json is no receipt: .*by hand.*delete it"):
        receipt.read(recipe)


def test_receipts_of_an_installed_kvision_are_left_alone(recipe, monkeypatch):
    monkeypatch.setattr(paths, "PACKAGE", recipe.parent)
    with pytest.raises(UsageError, match=r"mine\.yaml belongs to the installed kvision"):
        receipt.write(recipe, receipt.make(catalog.load(recipe), "val/top1", [run(recipe, "a")]))


@pytest.mark.parametrize(
    ("bounds", "met"), [({"at_least": 0.9}, True), ({"at_least": 0.91}, False), ({"at_most": 0.9}, True), ({"at_most": 0.89}, False), ({}, None)]
)
def test_an_expectation_holds_at_its_bound(bounds, met):
    assert receipt.met(Expect(metric="val/top1", **bounds), 0.9) is met
    assert receipt.met(None, 0.9) is None
