from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kvision_export.formats import FORMATS
from kvision_export.parity import latency, repair
from kvision_export.parity.layers import LayerLoss
from kvision_export.parity.proof import Proof

INT8 = FORMATS["tflite-int8-full"]


def layer(name: str, added: float) -> LayerLoss:
    return LayerLoss("predict", "CONV_2D", name, added, added, 10.0, (name, f"{name}-user"))


class Trials:
    """Stands in for converting and proving: a file holds when the layers that matter are in float."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, guilty: set[str], worst: list[LayerLoss]) -> None:
        self.made: list[tuple[str, ...]] = []
        self.proven: list[str] = []
        self.kept: dict[Path, tuple[str, ...]] = {}
        self.folder, self.guilty = folder, guilty
        monkeypatch.setattr(repair.layers, "rank", lambda exact, file, inputs: worst)
        monkeypatch.setattr(repair.proving, "prove", self.prove)
        monkeypatch.setattr(repair.flatbuffer, "inspect", lambda path: SimpleNamespace(float_ops=[f"NEG {each}" for each in self.kept.get(path, ())]))
        timing = latency.Latency({1: latency.Timing(2.0, 3.0, 9)}, 1)
        monkeypatch.setattr(repair.latency, "measure", lambda files, **options: dict.fromkeys(files, timing))

    def make(self, kept) -> Path:
        self.made.append(tuple(kept))
        path = self.folder / f"{len(self.made)}.tflite"
        path.write_bytes(b"x" * (100 + len(kept)))
        self.kept[path] = tuple(kept)
        return path

    def prove(self, subject, path: Path, reference) -> Proof:
        self.proven.append(path.name)
        left = self.guilty - set(self.kept.get(path, ()))
        return Proof({"miou": 0.8 - 0.1 * len(left)}, "miou", 0.8, 0.8 - 0.1 * len(left), 0.1 * len(left), 1.0)

    def run(self, subject, **options) -> repair.Repair:
        file = self.folder / "file.tflite"
        file.write_bytes(b"x" * 100)
        return repair.repair(subject, INT8, file, self.folder / "exact.tflite", None, self.make, {}, **options)


WORST = [layer(name, 1.0 - 0.1 * place) for place, name in enumerate("abcdefghij")]


def test_only_the_layers_that_are_needed_stay_in_float(monkeypatch, tmp_path, subject) -> None:
    trials = Trials(monkeypatch, tmp_path, {"b", "b-user"}, WORST)
    found = trials.run(subject)
    assert found.mended.kept == ("b", "b-user")
    assert [len(step.kept) for step in found.steps] == [0, 2, 2, 4]
    assert [bool(step.failures) for step in found.steps] == [True, True, False, False]
    assert found.mended.bytes == 102
    assert found.mended.proof.drop == 0
    assert found.mended.timing.p50_ms == 2.0
    assert found.worst == tuple(WORST)


def test_a_file_that_holds_is_left_alone(monkeypatch, tmp_path, subject) -> None:
    trials = Trials(monkeypatch, tmp_path, set(), WORST)
    found = trials.run(subject)
    assert trials.made == []
    assert found.mended.kept == ()


def test_what_is_proven_is_not_proven_again(monkeypatch, tmp_path, subject) -> None:
    trials = Trials(monkeypatch, tmp_path, {"a"}, WORST)
    known = Proof({}, "miou", 0.8, 0.3, 0.5, 1.0)
    found = trials.run(subject, proven=known)
    assert found.steps[0].proof is known
    assert trials.proven == ["1.tflite"]


def test_it_gives_up_before_nothing_is_quantized(monkeypatch, tmp_path, subject) -> None:
    trials = Trials(monkeypatch, tmp_path, {"elsewhere"}, WORST)
    found = trials.run(subject)
    assert found.mended is None
    assert [len(step.kept) for step in found.steps] == [0, 2, 4, 8], "half of the 20 operations, not more"


@pytest.mark.slow
def test_a_network_that_int8_ruins_is_mended(trained_once, tmp_path, monkeypatch) -> None:
    """Channel 0 of the first layer is 10,000 times the others, and the next layer undoes it: the network is the same, its int8 file is not."""
    from kvision.commands import export
    from kvision_export.parity import proof
    from kvision_export.tflite import calibration, convert

    mine = export.open_subject(trained_once)
    norm, after = mine.system.net.get_layer("encoder0a_norm"), mine.system.net.get_layer("encoder0b_conv")
    scales = np.ones(norm.gamma.shape[0])
    scales[0] = 1e4
    norm.gamma.assign(norm.gamma.numpy() * scales)
    norm.beta.assign((norm.beta.numpy() + 0.1) * scales)
    kernel = after.kernel.numpy()
    kernel[:, :, 0] /= 1e4
    after.kernel.assign(kernel)
    int8 = FORMATS["tflite-int8"]
    reference, ranges = proof.refer(mine), calibration.choose(mine, 16)
    exact = convert.convert(mine, FORMATS["tflite-fp32"], tmp_path / "exact.tflite").path
    file = convert.convert(mine, int8, tmp_path / "int8.tflite", calibration=ranges).path
    # The metric of a net of six steps says little: the outputs must be near those of Keras.
    monkeypatch.setattr(repair.gating, "judge", lambda found, *args, **options: ["far off"] if found.mean_share > 0.01 else [])

    def make(kept) -> Path:
        return convert.convert(mine, int8, tmp_path / f"{len(list(tmp_path.iterdir()))}.tflite", calibration=ranges, keep_float=kept).path

    found = repair.repair(mine, int8, file, exact, reference, make, ranges.inputs)
    assert found.steps[0].failures
    assert found.mended is not None
    assert 2 <= len(found.mended.kept) <= 8
    assert any("encoder0a" in name for name in found.mended.kept)
    assert found.mended.proof.mean_share < found.steps[0].proof.mean_share / 3
    assert found.mended.bytes < exact.stat().st_size
