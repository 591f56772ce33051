"""From a run to a bundle by the command, and what a second export, a missed gate or a fault leaves behind."""

from __future__ import annotations

import csv
import dataclasses
import errno
import functools
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kvision.commands import export
from kvision.core.errors import RunError, UsageError
from kvision_edge import manifest
from kvision_export import bundle, flow, formats
from kvision_export.errors import ExportError
from kvision_export.parity import finding, gates, latency, proof, repair, runner
from kvision_export.tflite import convert, flatbuffer, metadata
from kvision_export.tflite.convert import Converted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from kvision_export.formats import Format
    from kvision_export.subject import Subject

WANTED = ("savedmodel,tflite-fp32", "tflite-int8-full")


@pytest.fixture(scope="module", autouse=True)
def brief() -> Iterator[None]:
    """Latencies are measured, but for no longer than it takes to find that they can be."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "measure", functools.partial(latency.measure, threads=latency.THREADS, budget_s=0.0))
        yield


@pytest.fixture(scope="module")
def converted(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> dict[Format, Converted]:
    """LiteRT files, made once."""
    folder = tmp_path_factory.mktemp("converted")
    made = convert.convert_many(subject, {each: folder / each.short for each in formats.parse(["tflite-fp32,tflite-fp16"])})
    return {each: found for each, found in made.items() if isinstance(found, Converted)}


@pytest.fixture
def quick(converted: dict[Format, Converted], monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports take the files that were made once: a child that converts takes seconds to start."""

    def convert_many(subject: object, outs: dict[Format, Path], **options: object) -> dict[Format, Converted]:
        return {each: dataclasses.replace(converted[each], path=shutil.copy(converted[each].path, out)) for each, out in outs.items()}

    monkeypatch.setattr(convert, "convert_many", convert_many)


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


@pytest.mark.usefixtures("quick")
def test_a_second_export_adds_to_the_bundle_but_not_to_one_of_other_weights(
    own: Path, trained_once: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export.run(trained_once, ["tflite-fp16"], out=own) == 0
    made = manifest.read(own)
    assert {each.format for each in made.files} == {"savedmodel", "tflite-fp32", "tflite-int8-full", "tflite-fp16"}
    assert {"sample/int8-full.npz", "sample/fp16.npz", "calibration.json", "source/resolved.json"} <= set(made.checksums)
    assert all(bundle.sha256(own / name) == sum_ for name, sum_ in made.checksums.items())
    values = json.loads((own / manifest.NAME).read_text())
    values["source"]["weights_sha256"] = "0" * 64
    (own / manifest.NAME).write_text(json.dumps(values))
    mine = own / "mine.txt"
    mine.touch()
    assert export.run(trained_once, ["tflite-fp32"], out=own) == 0
    assert "saved_model/unet/1 is of other weights, and stays for servers that use it" in capsys.readouterr().err
    made = manifest.read(own)
    assert {each.format for each in made.files} == {"tflite-fp32"}
    left = {path.relative_to(own).as_posix() for path in own.rglob("*") if path.is_file() and "saved_model" not in path.parts}
    assert left == {"unet-fp32.tflite", "manifest.json", "mine.txt", *made.checksums}, "nothing of the other weights"
    assert {name for name in left if name.startswith("sample/")} == {"sample/picture.png", "sample/input.npz", "sample/fp32.npz"}


@pytest.mark.usefixtures("quick", "calm")
def test_the_proof_tells_of_every_file_of_the_bundle_and_of_none_that_is_gone(own: Path, trained_once: Path) -> None:
    before = {each["format"]: each for each in json.loads((own / "proof.json").read_text())["files"]}
    (own / "unet-fp32.tflite").unlink()
    assert export.run(trained_once, ["tflite-fp16"], out=own) == 0
    made, told = manifest.read(own), json.loads((own / "proof.json").read_text())
    after = {each["format"]: each for each in told["files"] if each["verdict"] == "good"}
    assert set(after) == {each.format for each in made.files} == {"savedmodel", "tflite-int8-full", "tflite-fp16"}
    assert after["tflite-int8-full"] == before["tflite-int8-full"], "its times were measured beside another fp32 file"
    assert told["choice"] == made.files[0].format
    rows = {row["format"]: row for row in csv.DictReader((own / "proof.csv").read_text().splitlines()) if row["verdict"] == "good"}
    assert set(rows) == set(after)
    assert int(rows["tflite-int8-full"]["ops"]) == sum(before["tflite-int8-full"]["ops"].values())
    page = (own / "report.html").read_text()
    assert all(f"<strong>{each.path}</strong>" in page for each in made.files)
    assert "<strong>unet-fp32.tflite</strong>: " in page, "what fp16 was compared with"
    assert export.run(trained_once, ["tflite-fp16"], out=own, gates=["fp16=0.0"]) in (0, export.MISSED)
    assert len(json.loads((own / "proof.json").read_text())["files"]) == len(told["files"]), "each file once"


@pytest.mark.usefixtures("quick", "calm")
def test_a_second_export_leaves_the_best_for_a_device_first(own: Path, trained_once: Path) -> None:
    values = json.loads((own / manifest.NAME).read_text())
    values["files"].sort(key=lambda each: each["format"] != "tflite-int8-full")  # as where it was not slower than fp32
    (own / manifest.NAME).write_text(json.dumps(values))
    assert export.run(trained_once, ["tflite-fp16"], out=own) == 0
    assert [each.format for each in manifest.read(own).files][::3] == ["tflite-int8-full", "savedmodel"]


@pytest.mark.parametrize(
    ("runtime", "wanted", "message"),
    [
        ("2.14", "tflite-fp32,tflite-int4", r"^tflite-int4 can't be had for --runtime 2.14: .* or tflite-int8; the others can be had: --to fp32$"),
        ("2.17", "int4", r"^tflite-int4 can't be had for --runtime 2.17: .*; use --runtime litert2, or tflite-int8$"),
        ("2.15", "fp32", r"^--runtime 2.15: accepted are 2.14, 2.17, litert2$"),
    ],
)
def test_what_a_runtime_can_not_have_is_refused_at_once(trained_once: Path, tmp_path: Path, runtime: str, wanted: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export.run(trained_once, [wanted], out=tmp_path / "bundle", runtime=runtime)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.usefixtures("quick")
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


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is slower than another: which one it is on a busy machine is for the tests of the choice itself."""
    monkeypatch.setattr(finding, "slower", lambda each, findings: "")


@pytest.mark.usefixtures("calm", "quick")
def test_what_was_made_for_comparison_is_no_choice(trained_once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bundle"
    assert export.run(trained_once, ["tflite-fp16"], out=out, gates=["fp16=0"], json_lines=True) in (0, export.MISSED)
    single, half, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (single["format"], single["verdict"], single["path"]) == ("tflite-fp32", "compared", None)
    assert last["choice"] == ("tflite-fp16" if half["verdict"] == "good" else None)
    assert not (out / "unet-fp32.tflite").exists()
    assert json.loads((out / "proof.json").read_text())["choice"] == last["choice"]


@pytest.mark.usefixtures("calm", "quick")
def test_auto_keeps_one_file_and_candidates_that_miss_do_not_fail(trained_once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "bundle"
    code = export.run(trained_once, ["tflite-fp32,tflite-fp16"], out=out, auto=True, gates=["fp32=0", "fp16=100"], json_lines=True)
    *_, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert (code, last["failed"], last["choice"]) == (0, False, "tflite-fp16")
    assert [path.name for path in out.rglob("*.tflite")] == ["unet-fp16.tflite"]


@pytest.mark.usefixtures("quick")
def test_a_file_that_does_not_run_costs_no_other_one(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prove = proof.prove

    def failing(subject: object, path: Path, reference: object) -> object:
        if "fp16" in path.name:
            raise ExportError(f"{path}: fails")
        return prove(subject, path, reference)  # type: ignore[arg-type]

    monkeypatch.setattr(proof, "prove", failing)
    out = tmp_path / "bundle"
    assert export.run(trained_once, ["tflite-fp32,tflite-fp16"], out=out) == export.MISSED
    assert [each.format for each in manifest.read(out).files] == ["tflite-fp32"]


@pytest.mark.usefixtures("quick")
def test_a_file_that_can_not_be_timed_is_said_to_be_one(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timing = latency.Latency({1: latency.Timing(1.0, 1.0, 9), 2: latency.Timing(1.0, 1.0, 9)}, 1)
    slow = ExportError("unet-fp16.tflite: can't be timed (a few calls took more than 300 s)")
    monkeypatch.setattr(latency, "measure", lambda files: {name: slow if "fp16" in name else timing for name in files})
    out = tmp_path / "bundle"
    assert export.run(trained_once, ["tflite-fp32,tflite-fp16"], out=out) == 0
    told = json.loads((out / "proof.json").read_text())
    assert told["choice"] == "tflite-fp32", "the smaller one may be slower"
    half = next(each for each in told["files"] if each["format"] == "tflite-fp16")
    assert half["verdict"] == "good"
    assert half["notes"] == [f"no latency, and so no choice for a device: {slow}"]


@pytest.mark.usefixtures("quick")
def test_a_file_that_can_not_be_mended_is_rejected_and_costs_no_other_one(
    trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*args: object, **options: object) -> None:
        raise ExportError("tflite-fp16: all layers or none")

    monkeypatch.setattr(flow.lite.repair, "repair", failing)
    monkeypatch.setattr(gates, "judge", lambda found, chosen, *args, **options: ["missed"] if chosen.short == "fp16" else [])
    out = tmp_path / "bundle"
    assert export.run(trained_once, ["tflite-fp32,tflite-fp16"], out=out, repair=True) == export.MISSED
    assert [each.format for each in manifest.read(out).files] == ["tflite-fp32"]
    assert (out / "rejected" / "unet-fp16.tflite").is_file()
    assert "could not be mended, or its layers not be compared: tflite-fp16: all layers or none" in (out / "report.html").read_text()


@pytest.mark.usefixtures("quick")
def test_a_mended_file_is_named_so_and_says_how_much_of_it_is_in_float(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mending(subject: Subject, form: Format, file: Path, *args: object, **options: object) -> repair.Repair:
        made, timing = args[2](["logits"]), latency.Timing(1.0, 1.0, 9)  # type: ignore[operator]
        found = proof.Proof({}, "miou", 0.5, 0.5, 0.0, 1.0)
        return repair.Repair((), (repair.Step(("logits",), made, 9, found, (), timing),), timing)

    def judge(found: object, chosen: Format, *args: object, kept: Sequence[str] = (), **options: object) -> list[str]:
        return ["missed"] if chosen.short == "fp16" and not kept else []

    monkeypatch.setattr(flow.lite.repair, "repair", mending)
    monkeypatch.setattr(gates, "judge", judge)
    out = tmp_path / "bundle"
    assert export.run(trained_once, ["tflite-fp16"], out=out, repair=False) == export.MISSED
    assert (out / "rejected" / "unet-fp16.tflite").is_file()
    assert export.run(trained_once, ["tflite-fp16"], out=out, repair=True) == 0
    (file,) = manifest.read(out).files
    assert file.path == "unet-fp16-repaired.tflite"
    assert not (out / "rejected" / "unet-fp16.tflite").exists()
    count = sum(sum(each.values()) for each in flatbuffer.inspect(out / file.path).ops.values())
    assert f"of {count} operations in float" in file.quantization["notes"][-1]


def test_a_fault_at_the_very_end_leaves_the_earlier_bundle_whole(own: Path, trained_once: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in own.rglob("*") if path.is_file()}

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(flow.lite, "make", lambda *args, **options: flow.lite.Lite((), {}, {}, None))
    monkeypatch.setattr(flow.page, "write", full)
    with pytest.raises(RunError, match="No space left on device; free some space, or choose another place with --out"):
        export.run(trained_once, ["tflite-fp32"], out=own)
    assert {path: path.read_bytes() for path in own.rglob("*") if path.is_file()} == before


def test_fine_tuning_and_c_source(trained_once: Path, tmp_path: Path) -> None:
    out, gates = tmp_path / "bundle", ["int8-full=100"]
    assert export.run(trained_once, ["c-array"], out=out, qat_epochs=1, calibration=8, gates=gates) == 0
    made = manifest.read(out)
    (file,) = made.files
    assert (file.format, file.quantization["qat_epochs"]) == ("tflite-int8-full", 1)
    assert "calibration" not in file.quantization, "its ranges were trained"
    assert {"c-array/unet_model.h", "c-array/unet_model.cc", "qat/metrics.csv"} <= set(made.checksums)
    assert f"unet_model_bytes = {len(metadata.model(out / file.path))};" in (out / "c-array" / "unet_model.h").read_text()


def test_c_source_of_a_file_that_is_not_there_is_refused(
    trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(flow.lite, "make", lambda *args, **options: flow.lite.Lite((), {}, {}, None))
    assert export.run(trained_once, ["c-array"], out=tmp_path / "bundle") == export.MISSED
    assert "error: c-array: is made of the tflite-int8-full file, which could not be made" in capsys.readouterr().err
    assert not (tmp_path / "bundle" / "c-array").exists()


@pytest.mark.usefixtures("quick")
def test_the_table_fits_80_columns(trained_once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export.run(trained_once, ["tflite-fp16"], out=tmp_path / "bundle") == 0
    lines = capsys.readouterr().out.splitlines()[:3]
    assert lines[0].startswith("format ")
    assert lines[2].rstrip().endswith(" holds")
    assert max(map(len, lines)) <= 80


def test_what_was_exported_is_not_exported_again(exported: Path) -> None:
    for source in (exported, exported / "unet-fp32.tflite"):
        with pytest.raises(UsageError, match=r"was exported already, from the run .*; give that run"):
            export.run(source)


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
