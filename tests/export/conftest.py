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
