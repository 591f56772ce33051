"""The plan of a transfer curve: what each training is told, and what comes of the runs."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kvision.core.errors import RecipeError, RunError, UsageError
from kvision.sweep import queue, transfer
from tests.unit.sweep import fake_transfer

TRAIN = (sys.executable, str(Path(fake_transfer.__file__)))
DIGITS = ["data.source=digits", "data.size_px=16", "data.val_size=300"]


def plan(folder, *overrides, methods=("scratch", "fine_tune"), samples=(2, None), weights="imagenet", **options):
    facts = {"seeds": 2, "steps": 30, "train": TRAIN} | options
    return transfer.Plan("resnet", [*DIGITS, *overrides], weights, methods, samples, folder=folder, **facts)


class Listener:
    def __init__(self):
        self.ends = {}

    def began(self, name):
        self.ends[name] = None

    def ended(self, name, code, seconds, tail):
        self.ends[name] = (code, tail)


def work(made, stop=None):
    listener = Listener()
    queue.work(made.folder, transfer.check(made), 4, stop or SimpleNamespace(signal=None), listener)
    return listener.ends


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(queue, "POLL_S", 0.02)


def test_each_training_has_its_examples_method_and_enough_steps(tmp_path):
    made = plan(tmp_path, "train.epochs=3", "fine_tune:model.thaw_at=0.25", "fine_tune:optim.lr=0.01", "model.body_lr_scale=0.1")
    tasks = {task.name: task.values for task in transfer.check(made)}
    assert list(tasks) == [
        *("scratch-2-seed0", "fine_tune-2-seed0", "scratch-2-seed1", "fine_tune-2-seed1"),
        *("scratch-all-seed0", "fine_tune-all-seed0", "scratch-all-seed1", "fine_tune-all-seed1"),
    ]
    few, all_ = tasks["fine_tune-2-seed1"], tasks["scratch-all-seed0"]
    assert (few["model"]["transfer"], few["model"]["weights"], few["model"]["thaw_at"], few["optim"]["lr"]) == ("fine_tune", "imagenet", 0.25, 0.01)
    assert (few["data"]["per_class"], few["train"]["seed"], few["data"]["batch"], few["train"]["epochs"]) == (2, 1, 20, 30)
    assert few["optim"]["warmup_steps"] == 3  # a tenth of the steps, not the recipe's 400
    assert (all_["model"]["transfer"], all_["model"]["weights"], all_["model"]["thaw_at"]) == ("none", None, 0.0)
    assert (all_["data"]["per_class"], all_["data"]["batch"], all_["train"]["epochs"]) == (None, 128, 4)


def test_options_of_another_method_go_back_to_their_defaults(tmp_path):
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(
        "system: classification/resnet\nmodel: {depth: 8, weights: imagenet, transfer: fine_tune, layer_decay: 0.5}\n"
        "data: {source: digits, size_px: 16, batch: 8}\n"
    )
    made = transfer.Plan(str(recipe), [], None, ["linear_probe"], [None], seeds=1, steps=1, folder=tmp_path)
    (task,) = transfer.check(made)
    assert [task.values["model"][option] for option in ("layer_decay", "transfer", "weights")] == [1.0, "linear_probe", "imagenet"]


def test_a_method_is_what_its_name_says_whatever_is_given_for_all(tmp_path):
    made = plan(tmp_path, "model.weights=runs/other", "model.layer_decay=0.5", "model.transfer=fine_tune", weights=None, samples=(2,), seeds=1)
    scratch, fine_tune = (task.values["model"] for task in transfer.check(made))
    assert [scratch[option] for option in ("transfer", "weights", "layer_decay")] == ["none", None, 1.0]
    assert [fine_tune[option] for option in ("transfer", "weights", "layer_decay")] == ["fine_tune", "runs/other", 0.5]


def test_the_error_is_that_of_the_last_epoch_of_each_seed(tmp_path, monkeypatch):
    monkeypatch.setattr("kvision.data.sources.fashion_mnist.FashionMnist.find", lambda self: pytest.fail("the recipe's own data is not asked"))
    made = plan(tmp_path)
    ends = work(made)
    assert set(ends) == {task.name for task in transfer.check(made)}
    assert {code for code, _ in ends.values()} == {0}
    found = transfer.conclude(made, transfer.check(made))
    assert found.missing == []
    assert found.metric == "val/top1"
    two, all_ = found.curves["scratch"]
    assert (two.samples, two.per_class, two.label) == (2, 2.0, "2")
    assert two.errors == pytest.approx((0.05, 0.06))
    assert (all_.label, all_.per_class) == ("all", 100.0)
    assert found.facts()["curves"]["fine_tune"][0]["mean"] == pytest.approx(0.03)
    assert work(made) == {}  # nothing is trained twice


def test_what_is_stopped_goes_on_and_what_fails_is_missing(tmp_path):
    stop = SimpleNamespace(signal=None)
    made = plan(tmp_path, "fine_tune:optim.clip_norm=15", "scratch:optim.clip_norm=13", samples=(2,), seeds=1)

    class Stopping(Listener):
        def ended(self, name, code, seconds, tail):
            super().ended(name, code, seconds, tail)
            stop.signal = 2  # when the first one has crashed, the other one still waits

    listener = Stopping()
    tasks = transfer.check(made)
    while not (tmp_path / "fine_tune-2-seed0/resolved.json").exists():
        queue.work(tmp_path, tasks, 2, stop, listener)
        stop.signal = None
    assert listener.ends["scratch-2-seed0"][0] == 1
    assert "RuntimeError: boom" in listener.ends["scratch-2-seed0"][1]
    assert work(made)["fine_tune-2-seed0"][0] == 0
    assert transfer.conclude(made, tasks).missing == ["scratch-2-seed0"]


def test_a_run_of_another_recipe_is_not_taken(tmp_path):
    work(plan(tmp_path, samples=(2,), seeds=1))
    with pytest.raises(RunError, match=r"scratch-2-seed0: was trained with another recipe or other options than now; .* --out"):
        work(plan(tmp_path, "model.depth=14", samples=(2,), seeds=1))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": None}, RecipeError, r"model.transfer: fine_tune keeps weights, but there are none"),
        ({"overrides": ["finetune:optim.lr=1"]}, UsageError, "finetune:optim.lr=1: 'finetune' is none of the methods scratch, fine_tune"),
        ({"overrides": ["optim.lrr=1"]}, RecipeError, "optim.lrr: unknown key"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_trained(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        transfer.check(plan(tmp_path, *options.pop("overrides", []), **options))


def test_it_is_for_classifiers(tmp_path):
    with pytest.raises(UsageError, match=r"unet: a transfer curve is for systems that take weights by model.transfer, .* this is segmentation/unet"):
        transfer.check(transfer.Plan("unet", [], None, ["scratch"], [1], seeds=1, steps=1, folder=tmp_path))
