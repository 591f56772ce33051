"""`kvision eval` and `kvision predict` of what was exported."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kvision.commands import evaluate, predict, trained
from kvision.core.errors import UsageError
from kvision_edge import manifest
from kvision_export import bundle, exported
from kvision_export.errors import ExportError
from kvision_export.tflite import metadata


@pytest.fixture(scope="session")
def served(subject, tmp_path_factory) -> Path:
    from kvision_export.saved_model import served

    folder = tmp_path_factory.mktemp("served") / "1"
    served.save(subject, folder)
    return folder


@pytest.fixture
def made(subject, smoke_run, files, served, tmp_path) -> Path:
    """A bundle whose best file is the full int8 one."""
    out = smoke_run / "bundle"
    out.mkdir()
    entries = []
    for source, name, kind in (
        (files["int8-full"], "unet.int8-full.tflite", "tflite-int8-full"),
        (files["fp32"], "unet.fp32.tflite", "tflite-fp32"),
        (served, "saved_model/1", "savedmodel"),
    ):
        (out / name).parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, out / name)
        entries.append(manifest.File(name, kind, bundle.size(out / name), bundle.sha256(out / name), {}))
    info, own = subject.session.pipeline.info, subject.preprocess
    preprocess = manifest.Preprocess(own.size_px, own.fit, own.mean, own.std)
    source = {"run": str(smoke_run.resolve()), "run_relative": "..", "system": "segmentation/unet"}
    bundle.write(out, manifest.Manifest("unet", "segmentation", tuple(entries), preprocess, info.class_names, info.palette, {}, {}, source, {}))
    return out


def test_what_a_path_means(made: Path, smoke_run: Path) -> None:
    best = exported.find(made)
    assert (best.path, best.format, best.name) == (made / "unet.int8-full.tflite", "tflite-int8-full", "unet.int8-full")
    assert best.run == smoke_run.resolve()
    assert exported.find(made / "unet.fp32.tflite").format == "tflite-fp32"
    for path in (made / "saved_model", made / "saved_model" / "1"):
        assert (exported.find(path).path, exported.find(path).format) == (made / "saved_model" / "1", "savedmodel")
    assert exported.find(smoke_run) is None
    assert trained.find(smoke_run).exported is None
    with pytest.raises(UsageError, match=r"--weights ema: .* holds the weights that were exported"):
        trained.find(made, "ema")


def test_the_newest_version_is_taken_by_number(made: Path) -> None:
    shutil.copytree(made / "saved_model" / "1", made / "saved_model" / "10")
    shutil.copytree(made / "saved_model" / "1", made / "saved_model" / "9")
    assert exported.find(made / "saved_model").path.name == "10"


def test_the_folder_of_a_bundle_s_only_model_is_that_model(made: Path) -> None:
    (made / "saved_model" / "1").rename(made / "1")
    (made / "saved_model" / "unet").mkdir()
    (made / "1").rename(made / "saved_model" / "unet" / "1")
    assert exported.find(made / "saved_model").path == made / "saved_model" / "unet" / "1"


def test_a_file_that_is_not_the_manifests_is_refused(made: Path) -> None:
    path = made / "unet.fp32.tflite"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ExportError, match=r"unet\.fp32\.tflite: is not the file that .*json describes: its sha256 is [0-9a-f]{12}…, there it is"):
        exported.find(path)
    (made / "unet.int8-full.tflite").unlink()
    with pytest.raises(ExportError, match=r"is in manifest\.json and not in the bundle"):
        exported.find(made)
    (made / manifest.NAME).write_text("{")
    with pytest.raises(ExportError, match=r"manifest\.json: is damaged"):
        exported.find(made)


def test_a_bare_file_tells_itself_or_what_is_missing(made: Path, tmp_path: Path, smoke_run: Path, files) -> None:
    bare = shutil.copy(files["fp32"], tmp_path / "bare.tflite")
    with pytest.raises(ExportError, match=r"bare\.tflite: classes and preprocessing are not known: there is no manifest.* and no metadata"):
        exported.find(bare)
    about = {"format": "tflite-fp32", "source": {"run": str(smoke_run)}, "preprocess": None}
    metadata.append(bare, ["a", "b"], about)
    found = exported.find(bare)
    assert (found.labels, found.run, found.format, found.preprocess()) == (("a", "b"), smoke_run.resolve(), "tflite-fp32", None)
    alone = shutil.copytree(made / "saved_model" / "1", tmp_path / "alone" / "1")
    with pytest.raises(ExportError, match=r"there is no manifest\.json beside it; leave"):
        exported.find(alone)
    with pytest.raises(ExportError, match=r"none\.tflite: no such file"):
        trained.find(tmp_path / "none.tflite")


def _metrics(source: Path, capsys, **options) -> dict:
    evaluate.run(source, json_lines=True, devices="cpu", **options)
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_eval_gives_a_runs_numbers_in_a_runs_format(made: Path, smoke_run: Path, capsys) -> None:
    run = _metrics(smoke_run, capsys)
    for path, kind in ((made / "unet.fp32.tflite", "tflite-fp32"), (made / "saved_model", "savedmodel")):
        found = _metrics(path, capsys)
        assert found.keys() == run.keys()
        assert (found["kind"], found["count"]) == (kind, run["count"])
        assert found["metrics"] == pytest.approx(run["metrics"], abs=1e-6)
        assert Path(found["out"]).parent == smoke_run.resolve() / "eval"
        assert json.loads((Path(found["out"]) / "evaluation.json").read_text()).keys() == {"metrics", "tables", "examples"}


def test_eval_of_a_bundle_whose_run_is_gone(made: Path, smoke_run: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    moved = shutil.move(made, tmp_path / "elsewhere")
    kept = smoke_run / "recipe.yaml"
    recipe = shutil.copy(kept, tmp_path / "recipe.yaml")
    records = shutil.copytree(smoke_run, tmp_path / "records", ignore=shutil.ignore_patterns("checkpoints", "pictures", "weights"))
    shutil.rmtree(smoke_run)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ExportError, match=r"was exported from the run .*unet, which is not there any more; put it back, or give --data RECIPE"):
        evaluate.run(moved)
    with pytest.raises(ExportError, match=r"put it back, or use kvision-edge"):
        predict.run(moved, [str(tmp_path)])
    found = _metrics(moved, capsys, data=str(recipe))
    assert (found["kind"], found["count"]) == ("tflite-int8-full", 10)
    assert (tmp_path / "eval" / "unet.int8-full-recipe" / "evaluation.json").is_file()
    shutil.move(records, Path(moved) / exported.RUN_FILES)
    assert _metrics(moved, capsys)["metrics"] == found["metrics"]
    with pytest.raises(UsageError, match="--precision bf16: an exported file computes as it was exported"):
        evaluate.run(moved, precision="bf16")


def test_predict_gives_a_runs_masks(made: Path, smoke_run: Path, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)).save(photo)
    outs = {name: tmp_path / name for name in ("run", "fp32", "saved")}
    for source, out in zip((smoke_run, made / "unet.fp32.tflite", made / "saved_model"), outs.values(), strict=True):
        predict.run(source, [str(photo)], out=out, devices="cpu")
    masks = {name: np.asarray(Image.open(out / "photo.mask.png")) for name, out in outs.items()}
    assert masks["run"].shape == (50, 70)
    for name in ("fp32", "saved"):
        assert (masks[name] == masks["run"]).mean() > 0.999
    facts = {name: json.loads((out / "predictions.json").read_text()) for name, out in outs.items()}
    assert facts["fp32"].keys() == facts["run"].keys()
    assert facts["saved"]["class_names"] == facts["run"]["class_names"]


def test_another_networks_file_is_refused(made: Path, smoke_run: Path) -> None:
    """The run was trained again with other pictures after the export."""
    record = smoke_run / "resolved.json"
    values = json.loads(record.read_text())
    values["values"]["data"]["size_px"] = 64
    record.write_text(json.dumps(values))
    with pytest.raises(ExportError, match=r"image is \[32, 32, 3\] for each example, the network's \[64, 64, 3\]; it is another run's export"):
        evaluate.run(made)


def test_manifest_and_preprocessing_of_the_file_count(made: Path) -> None:
    values = manifest.read(made)
    bundle.write(made, dataclasses.replace(values, preprocess=dataclasses.replace(values.preprocess, mean=(0.1, 0.2, 0.3))))
    session = trained.open_session(trained.find(made), devices="cpu")
    assert session.pipeline.preprocess.mean == (0.1, 0.2, 0.3)
