from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from kvision_edge import manifest
from tests.unit import run_folders

if TYPE_CHECKING:
    from pathlib import Path

PREPROCESS = manifest.Preprocess(size_px=8, fit="resize", mean=(0.5,) * 3, std=(0.5,) * 3)


def write_bundle(folder: Path, preprocess: manifest.Preprocess | None = PREPROCESS, proof: list[dict[str, object]] | None = None) -> Path:
    """A bundle with a manifest and, as export leaves it, copies of the run's own files, whose model files are only spoken of."""
    (folder / "source").mkdir(parents=True)
    (folder / "source" / "resolved.json").write_text(json.dumps({"values": {"system": "segmentation/unet"}}))
    names = {"tflite-int8-full": "unet-int8-full.tflite", "savedmodel": "saved_model/unet/1"}
    files = tuple(manifest.File(path, name, 1000, "0" * 64, {}, minimum_runtime="2.14" if ".tflite" in path else "") for name, path in names.items())
    made = manifest.Manifest("unet", "segmentation" if preprocess else "policy", files, preprocess, ("sky", "<b>"), ((0, 0, 0),) * 2, {}, {}, {}, {})
    (folder / manifest.NAME).write_text(made.to_json())
    if proof is not None:
        (folder / "proof.json").write_text(json.dumps({"files": proof}))
    return folder


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """A folder with one run, `unet`, that has a bundle."""
    write_bundle(run_folders.make(tmp_path / "unet") / "bundle")
    return tmp_path
