"""A whitening within a network, which divides by variances that differ by orders of magnitude, survives whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.engine.loop import Loop
from kvision_export import formats
from kvision_export.parity import runner
from kvision_export.subject import Subject
from kvision_export.tflite import calibration, convert
from tests.conformance import subject as systems

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = (
    "model.components=20",
    "data.size_px=8",
    "data.batch=32",
    "data.train_size=600",
    "data.val_size=200",
    "optim.lr=1e-2",
    "train.epochs=12",
    "train.steps=null",
)


def test_int8_agrees(tmp_path: Path) -> None:
    made = systems.open_session("classification/mlp", "model.whiten=pca", *OPTIONS)
    Loop(made).train(made.for_training.total)
    subject = Subject(made, tmp_path, tmp_path, "best", "mlp")
    full = formats.FORMATS["tflite-int8-full"]
    result = convert.convert_many(subject, {full: tmp_path / "mlp.tflite"}, calibration=calibration.choose(subject, 100))[full]
    assert isinstance(result, convert.Converted), result
    images, labels = (np.concatenate([batch[name] for batch in made.pipeline.examples("val")]) for name in ("image", "label"))
    runs = runner.Runner(result.path)
    found = np.concatenate([next(iter(runs.run("predict", {"image": image[None]}).values())) for image in images]).argmax(-1)
    exact = made.system.net(images).numpy().argmax(-1)
    assert np.mean(exact == labels) > 0.85
    assert np.mean(found == exact) > 0.97
