"""An ensemble of runs is one model to everything that comes after training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import kvision_edge
from kvision.commands import export, train, trained
from kvision_edge.postprocess.classification import Classification

if TYPE_CHECKING:
    from pathlib import Path

MEMBER = """
system: classification/lenet
model: {filters: [6, 12], activation: relu, pooling: max}
data: {source: digits, size_px: 16, batch: 32, train_size: 800, val_size: 300}
optim: {lr: 2e-3, warmup_steps: 20, schedule: cosine_restarts, cycles: 2}
train: {epochs: 8}
"""


@pytest.mark.slow  # two trainings and an export
def test_it_is_trained_exported_and_run_on_the_edge_as_one(tmp_path: Path) -> None:
    (tmp_path / "member.yaml").write_text(MEMBER)
    joined = MEMBER.replace("lenet", "ensemble").replace("{filters: [6, 12], activation: relu, pooling: max}", "{members: [a/checkpoints, b]}")
    (tmp_path / "joined.yaml").write_text(joined)
    for seed, name in enumerate(("a", "b")):
        assert train.run(tmp_path / "member.yaml", [f"train.seed={seed}"], run_dir=tmp_path / name, devices="cpu") == 0
    assert train.run(tmp_path / "joined.yaml", run_dir=tmp_path / "run", devices="cpu") == 0
    losses = [json.loads((tmp_path / name / "evaluation.json").read_text())["metrics"]["loss"] for name in ("a", "b", "run")]
    assert losses[2] < min(losses[:2])  # two snapshots of one, and the other: the mean is surer of the truth than each

    assert export.run(tmp_path / "run", ["savedmodel,tflite-int8-full"], out=tmp_path / "bundle") == 0
    device = kvision_edge.load(tmp_path / "bundle", format="tflite-int8-full")
    opened = trained.open_session(trained.find(tmp_path / "run"), devices="cpu")
    agreed = []
    for index in range(100):
        answer = device.predict(opened.pipeline.raw("val", index)["image"])
        assert isinstance(answer, Classification)
        agreed.append(answer.classes[0])
    exact = np.concatenate([opened.system.net(batch["image"]) for batch in opened.pipeline.examples("val")])[:100]
    assert np.mean(exact.argmax(-1) == agreed) >= 0.97
    np.testing.assert_allclose(exact.sum(-1), 1.0, atol=1e-5)
