"""A run trained by the shipped recipe's smoke settings, once for each worker, and what the export layer makes of it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_export.subject import Subject


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder that the others are copied from; not to be written to."""
    from kvision.commands import train

    run = tmp_path_factory.mktemp("runs") / "unet"
    assert train.run("recipes/unet.yaml", [], run_dir=str(run), devices="cpu", smoke=True) == 0
    return run


@pytest.fixture
def smoke_run(trained_once: Path, tmp_path: Path) -> Path:
    """A run folder of one's own."""
    return shutil.copytree(trained_once, tmp_path / "runs" / "unet")


@pytest.fixture(scope="session")
def subject(trained_once: Path) -> Subject:
    """The trained system, opened for export; not to be changed."""
    from kvision.commands import export

    return export.open_subject(trained_once)


@pytest.fixture(scope="session")
def files(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """LiteRT files by short format name; not to be changed."""
    from kvision_export.formats import parse
    from kvision_export.tflite import calibration, convert

    folder = tmp_path_factory.mktemp("files")
    outs = {each: folder / f"unet.{each.short}.tflite" for each in parse(["tflite-fp32,tflite-int8,tflite-int8-full"])}
    made = convert.convert_many(subject, outs, calibration=calibration.choose(subject, 16))
    found = {}
    for each, result in made.items():
        assert isinstance(result, convert.Converted), result
        found[each.short] = result.path
    return found
