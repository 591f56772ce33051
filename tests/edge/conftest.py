"""Small bundles, made once for each worker, and pictures."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.edge import corpus

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def segmentation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one segmenter in four formats; not to be written to."""
    from tests.edge import tiny

    return tiny.segmentation(tmp_path_factory.mktemp("bundles") / "segmentation", tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def captioning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a captioner with two functions; not to be written to."""
    from tests.edge import tiny

    return tiny.captioning(tmp_path_factory.mktemp("bundles") / "captioning", tmp_path_factory.mktemp("work"))


@pytest.fixture
def bundle(segmentation: Path, tmp_path: Path) -> Path:
    """A bundle of one's own."""
    return shutil.copytree(segmentation, tmp_path / "bundle")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """200 real pictures by form."""
    return corpus.write(tmp_path_factory.mktemp("pictures"))
