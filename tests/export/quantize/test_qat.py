"""Fine-tuning through the engine, on the U-Net of the shipped recipe."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kvision.core.errors import UsageError
from kvision.engine import events
from kvision_export.quantize import qat, twin
from tests.export.quantize import int8

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_export.subject import Subject


class Heard(events.Action):
    """Remembers the epochs; sends a signal after the first if asked to."""

    def __init__(self, stop: int = 0) -> None:
        self.rows: list[events.Row] = []
        self._stop = stop

    def on_event(self, event: events.Event) -> None:
        """One event."""
        if isinstance(event, events.EpochEnded):
            self.rows.append(event.row)
            if self._stop:
                signal.raise_signal(self._stop)


def test_a_fine_tuned_unet_converts_to_int8_alone_and_computes_what_was_trained(subject: Subject, tmp_path: Path) -> None:
    before, heard = _weights(subject), Heard()
    tuned = qat.finetune(subject, tmp_path / "qat", qat.QatOptions(epochs=2, calibration=16), heard)
    assert [row["epoch"] for row in heard.rows] == [1, 2]
    assert heard.rows[0]["lr"] < 0.1 * subject.session.recipe.optim.lr
    assert all(np.array_equal(each, before[name]) for name, each in _weights(subject).items())
    assert not np.array_equal(tuned.system.net.layers[-1].parts[0].kernel.numpy(), before["logits/kernel"])
    assert qat.has_trained_ranges(tuned)
    assert not qat.has_trained_ranges(subject)
    assert tuned.system.net.output_names == subject.system.net.output_names

    file = int8.convert(tuned.system.net)
    assert file.floats == []
    pipeline = tuned.session.pipeline
    images = np.stack([tuned.preprocess.normalise(pipeline.raw("val", number)["image"]).numpy() for number in range(6)])
    found, step = file.run(images)
    steps = np.abs(found - tuned.system.net(images, training=False).numpy()) / step
    assert np.quantile(steps, 0.999) < 2.01, f"{steps.max()} steps at most, {steps.mean()} on the average"
    assert steps.mean() < 0.5


def test_the_twin_begins_with_the_subject_not_with_what_the_run_began_with(subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(subject.system), "pretrained", lambda self, base: pytest.fail("the run's own first weights were asked for"))
    qat.finetune(subject, tmp_path / "qat", qat.QatOptions(steps=1, calibration=4))


def test_what_is_written_lies_in_the_folder(subject: Subject, tmp_path: Path) -> None:
    run = sorted(path for path in subject.run.rglob("*") if path.is_file())
    changed = {path: path.stat().st_mtime_ns for path in run}
    qat.finetune(subject, tmp_path / "qat", qat.QatOptions(steps=1, calibration=4))
    assert sorted(path for path in subject.run.rglob("*") if path.is_file()) == run
    assert {path: path.stat().st_mtime_ns for path in run} == changed
    assert (tmp_path / "qat" / "metrics.csv").read_text().count("\n") == 2
    with pytest.raises(UsageError, match="qat is not empty; give a folder of its own"):
        qat.finetune(subject, tmp_path / "qat")


def test_ctrl_c_stops_it(subject: Subject, tmp_path: Path) -> None:
    before = _weights(subject)
    with pytest.raises(KeyboardInterrupt):
        qat.finetune(subject, tmp_path / "qat", qat.QatOptions(epochs=3, calibration=4), Heard(signal.SIGINT))
    assert all(np.array_equal(each, before[name]) for name, each in _weights(subject).items())


def test_ranges_are_found_on_training_images_before_training(subject: Subject) -> None:
    made = qat._open(subject, qat.QatOptions())
    qat._calibrate(made, 24)
    image, *others = twin.ranges(made.system.net)
    size = tuple((0 - mean) / std for mean, std in zip(subject.preprocess.mean, subject.preprocess.std, strict=True))
    assert min(size) - 1e-3 <= image.low.numpy() < 0 < image.high.numpy()
    assert all(each.high.numpy() > each.low.numpy() for each in others)


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lr_scale": 0.0}, {"steps": 0}, {"calibration": -1}])
def test_options_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=r"--qat: \w+=-?[0.1]+ is not more than 0"):
        qat.QatOptions(**wrong)  # type: ignore[arg-type]


def _weights(subject: Subject) -> dict[str, np.ndarray]:
    return {variable.path: variable.numpy() for variable in subject.system.net.weights}
