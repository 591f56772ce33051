from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from kvision.commands import plan
from kvision.core.errors import RecipeError
from tests.unit.commands.conftest import OPTIONS


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """The plan of a tiny U-Net, made in an empty folder that must stay empty."""
    from kvision import catalog

    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("TMPDIR", str(folder))
        found = plan.measure(catalog.load("unet", [*OPTIONS, "train.epochs=3"]))
    assert list(folder.rglob("*")) == []
    return found


def test_counts_by_hand(facts):
    assert (facts["input"], facts["output"]) == ([None, 16, 16, 3], [None, 16, 16, 11])
    assert (facts["num_train"], facts["num_val"], facts["steps_per_epoch"], facts["epochs"], facts["steps"]) == (8, 6, 2, 3, 6)
    # 3x3 kernels 3-4-4 and, below, 4-8-8; up 8-4; 3x3 kernels 8-4-4; 1x1 to 11 classes; batch norm has 4 values a channel, of which 2 are trained
    kernels = 9 * (3 * 4 + 4 * 4 + 4 * 8 + 8 * 8 + 8 * 4 + 4 * 4) + (4 * 8 * 4 + 4) + (4 * 11 + 11)
    channels = 4 + 4 + 8 + 8 + 4 + 4
    assert facts["parameters"] == kernels + 4 * channels
    assert facts["trainable"] == kernels + 2 * channels
    assert facts["synchronized"] == [4, 4, 8, 8, 4, 4]
    first = next(layer for layer in facts["layers"] if layer["kind"] == "Conv2D")
    assert first["multiply_adds"] == 16 * 16 * 9 * 3 * 4
    assert facts["multiply_adds"] == sum(layer["multiply_adds"] for layer in facts["layers"])


def test_disk_holds_weights_slots_and_averages(facts):
    weights = 4 * facts["parameters"]
    slots = 2 * 4 * facts["trainable"]
    assert 2 * weights + slots <= facts["checkpoint"] <= 2 * weights + slots + 200
    assert facts["disk"] == 4 * facts["checkpoint"] + 4 * weights  # the two newest, the best and one being written; last, best, average, model


def test_time_is_made_of_steps_and_evaluations(facts):
    assert facts["eta_s"] == pytest.approx(facts["first_step_s"] + 6 * facts["step_s"] + 3 * 2 * facts["eval_step_s"])
    assert (facts["images_per_s"], facts["unit"]) == (pytest.approx(4 / facts["step_s"]), "image")


def test_what_people_see(facts, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    plan._show(facts)
    out = capsys.readouterr().out
    for wanted in (
        "images/s",
        "for one image",
        "encoder0a_conv",
        "[B, 16, 16, 3] to [B, 16, 16, 11]",
        "3 epochs of 2",
        "8 training and 6 validation",
        "checkpoints of",
        "27,648",
    ):
        assert wanted in out, wanted


def test_json_and_a_fault_in_the_recipe(facts, capsys, monkeypatch):
    monkeypatch.setattr(plan, "measure", lambda resolved, **options: facts)
    plan.run("unet", OPTIONS, json_lines=True)
    assert json.loads(capsys.readouterr().out)["steps"] == 6
    with pytest.raises(RecipeError, match=r"model\.depht"):
        plan.run("unet", ["model.depht=3"])


def test_what_stands_on_the_host_counts_as_it_is_found():
    lanes = SimpleNamespace(shape=(None,), numpy=lambda: np.zeros(5))
    assert plan._bytes(lanes) == 40
