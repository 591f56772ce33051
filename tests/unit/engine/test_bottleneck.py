"""Where the time of a training goes: the stages together are the training, and the advice follows from them."""

from __future__ import annotations

import dataclasses
import json

import pytest

from kvision.commands import timing
from kvision.data import cold
from kvision.engine.bottleneck import Report, Spent
from tests.unit.data.class_folders import write

STAGES = {"read": 0.1, "decode": 0.5, "augment": 0.3, "to device": 0.0, "step": 0.2}
REPORT = Report(STAGES, reading_waits_s=0.0, input_s=0.45, step_s=0.1, whole=Spent(0.55, 1.1), cores=2, on_cpu=False)


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({}, r"the step alone takes 18% of the time of an example, the input alone 82%, most of it decoding: more cores help most; so do smaller"),
        ({"stages": {**STAGES, "augment": 0.9}}, "most of it augmenting and batching: more cores help most; so do fewer changes in data.augment"),
        ({"stages": {**STAGES, "read": 0.9}}, "most of it reading files: a faster disk, or `kvision data pack`, helps most"),
        ({"reading_waits_s": 0.4}, "82%: a faster disk, or `kvision data pack`, which reads few large files, helps most"),
        ({"step_s": 0.5}, "a faster accelerator helps most; the input keeps up with it"),
        ({"on_cpu": True, "stages": {**STAGES, "step": 2.0}}, "a faster accelerator helps most, then more cores"),
    ],
)
def test_the_advice_follows_from_what_takes_longest(changes, advice):
    assert advice in dataclasses.replace(REPORT, **changes).advice


def test_files_that_can_not_be_dropped_are_no_fault(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 5000)
    cold.drop([str(tmp_path / "a"), str(tmp_path / "none")])
    assert (tmp_path / "a").read_bytes() == b"x" * 5000


@pytest.mark.slow
def test_the_stages_together_are_the_training(tmp_path, capsys):
    write(tmp_path / "set", 60, suffix=".jpg")
    recipe = tmp_path / "my.yaml"
    recipe.write_text(
        "system: classification/lenet\n"
        "data: {source: image_folder, path: set, size_px: 96, batch: 16, cache: none, augment: {resized_crop: 1.0, flip_x: 0.5, colour: 1.0}}\n"
    )
    timing.run(str(recipe), [], seconds=3.0, json_lines=True)
    found = json.loads(capsys.readouterr().out)
    together = sum(value for name, value in found.items() if name.endswith("_cpu_ms") and name != "training_cpu_ms")
    assert together == pytest.approx(found["training_cpu_ms"], rel=0.25)
    timing.run(str(recipe), ["data.cache=ram", "data.augment.resized_crop=0"], seconds=0.2)
    told = capsys.readouterr().out
    assert "decoding " in told
    assert "helps most" in told
    assert "examples a second on" in told
