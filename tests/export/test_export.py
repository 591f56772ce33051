"""From a run to a bundle by the command, and what a second export, a missed gate or a fault leaves behind."""

from __future__ import annotations

import csv
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from kvision_edge import manifest

from kvision.commands import export
from kvision.core.errors import RunError, UsageError
from kvision_export import bundle, flow
from kvision_export.parity import runner

if TYPE_CHECKING:
    from pathlib import Path

WANTED = ("savedmodel,tflite-fp32", "tflite-int8-full")


@pytest.fixture(scope="module")
def exported(trained_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle; not to be changed."""
    out = tmp_path_factory.mktemp("bundles") / "unet"
    # Six steps train nothing worth quantizing: what int8 may lose is for the parity tests, here it must only be told.
    assert export.run(trained_once, WANTED, out=out, calibration=8, gates=["int8-full=100"]) == 0
    return out


@pytest.fixture
def own(exported: Path, tmp_path: Path) -> Path:
    """A bundle of one's own."""
    return shutil.copytree(exported, tmp_path / "unet")


def test_a_bundle_holds_what_was_asked_for_and_its_manifest_tells_all_of_it(exported: Path) -> None:
    made = manifest.read(exported)
    assert {each.format for each in made.files} == {"savedmodel", "tflite-fp32", "tflite-int8-full"}
    assert made.files[-1].format == "savedmodel"
    for each in made.files:
        assert bundle.sha256(exported / each.path) == each.sha256
        assert bundle.size(exported / each.path) == each.bytes
        assert 0 <= each.metrics["miou"] <= 1
    assert made.labels == tuple((exported / "labels.txt").read_text().splitlines())
    assert made.preprocess is not None
    assert made.preprocess.size_px == 32
    assert made.source["system"] == "segmentation/unet"
    files = {path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()}
    listed = {name for name in files if not name.startswith("saved_model/")} - {each.path for each in made.files} - {manifest.NAME}
    assert set(made.checksums) == listed
    assert all(bundle.sha256(exported / name) == sum_ for name, sum_ in made.checksums.items())


def test_the_sample_gives_the_outputs_that_the_bundle_holds(exported: Path) -> None:
    made = manifest.read(exported)
    inputs = dict(np.load(exported / made.sample_input))
    for each in made.files[:-1]:
        assert each.sample is not None
        opened = runner.Runner(exported / each.path)
        tensor = each.signatures["predict"].inputs["image"]
        found = opened.run_raw("predict", {"image": runner.quantize(inputs["image"], tensor)})
        stored = np.load(exported / each.sample.outputs)
        np.testing.assert_array_equal(found["logits"], stored["logits"])


def test_the_report_and_its_tables_are_of_every_file(exported: Path) -> None:
    rows = list(csv.DictReader((exported / "proof.csv").read_text().splitlines()))
    assert {row["format"] for row in rows} == {"savedmodel", "tflite-fp32", "tflite-int8-full"}
    assert all(row["examples"] == "10" for row in rows)
    page = (exported / "report.html").read_text()
    assert "unet-int8-full.tflite" in page
    assert "by --gate from" in page
    assert len(page.encode()) < 5_000_000


def test_a_second_export_adds_to_the_bundle_but_not_to_one_of_other_weights(own: Path, trained_once: Path) -> None:
    assert export.run(trained_once, ["tflite-fp16"], out=own) == 0
    assert {each.format for each in manifest.read(own).files} == {"savedmodel", "tflite-fp32", "tflite-int8-full", "tflite-fp16"}
    values = json.loads((own / manifest.NAME).read_text())
    values["source"]["weights_sha256"] = "0" * 64
    (own / manifest.NAME).write_text(json.dumps(values))
    assert export.run(trained_once, ["tflite-fp32"], out=own) == 0
    assert {each.format for each in manifest.read(own).files} == {"tflite-fp32"}


def test_a_missed_gate_ends_with_an_exit_code_and_the_file_among_the_rejected(
    trained_once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    assert export.run(trained_once, ["tflite-fp32"], out=out, gates=["fp32=0"]) == export.MISSED
    assert (out / "rejected" / "unet-fp32.tflite").is_file()
    assert not (out / "unet-fp32.tflite").exists()
    assert manifest.read(out).files == ()
    said = capsys.readouterr().err
    assert "logits differs from the network's by up to" in said
    assert export.run(trained_once, ["tflite-fp32"], out=out, json_lines=True) == 0
    assert not (out / "rejected" / "unet-fp32.tflite").exists()
    file, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (file["format"], file["verdict"], file["failures"]) == ("tflite-fp32", "good", [])
    assert last == {"bundle": str(out), "choice": "tflite-fp32", "failed": False}


def test_a_fault_leaves_the_earlier_bundle_whole(own: Path, trained_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}
    monkeypatch.setattr(flow.lite, "make", lambda *args, **options: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        export.run(trained_once, ["tflite-fp16"], out=own)
    assert {path: path.read_bytes() for path in own.rglob("*") if path.is_file()} == before


def test_mistakes_are_told_before_anything_is_made(trained_once: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--to onnx: accepted are"):
        export.run(trained_once, ["onnx"], out=tmp_path)
    with pytest.raises(UsageError, match="--gate int9=1: expected KIND=POINTS"):
        export.run(trained_once, gates=["int9=1"], out=tmp_path)
    with pytest.raises(UsageError, match="--repair with --qat"):
        export.run(trained_once, repair=True, qat_epochs=1, out=tmp_path)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(RunError, match="would be mixed up"):
        export.run(trained_once, ["tflite-fp32"], out=tmp_path)
