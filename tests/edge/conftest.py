"""Small bundles and real pictures: made once for each worker, or found in `$KVISION_EDGE_GIVEN` where there is no TensorFlow to make them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.edge import corpus

if TYPE_CHECKING:
    from collections.abc import Callable

GIVEN = os.environ.get("KVISION_EDGE_GIVEN")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The bundle of a task; not to be written to."""
    found: dict[str, Path] = {}

    def make(task: str) -> Path:
        if task not in found and GIVEN is not None:
            found[task] = Path(GIVEN) / task
        elif task not in found:
            from tests.edge import tiny

            found[task] = tiny.MAKERS[task](tmp_path_factory.mktemp("bundles") / task, tmp_path_factory.mktemp("work"))
        return found[task]

    return make


@pytest.fixture(scope="session")
def segmentation(made: Callable[[str], Path]) -> Path:
    """A bundle of one segmenter in four formats; not to be written to."""
    return made("segmentation")


@pytest.fixture(scope="session")
def classification(made: Callable[[str], Path]) -> Path:
    """A bundle of a classifier, with int8 and float edges; not to be written to."""
    return made("classification")


@pytest.fixture(scope="session")
def captioning(made: Callable[[str], Path]) -> Path:
    """A bundle of a captioner with two functions; not to be written to."""
    return made("captioning")


@pytest.fixture(scope="session")
def policy(made: Callable[[str], Path]) -> Path:
    """A bundle of a policy that balances CartPole; not to be written to."""
    return made("policy")


@pytest.fixture
def bundle(segmentation: Path, tmp_path: Path) -> Path:
    """A bundle of one's own."""
    return shutil.copytree(segmentation, tmp_path / "bundle")


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """200 real pictures by form."""
    if GIVEN is None:
        return corpus.write(tmp_path_factory.mktemp("pictures"))
    return {form: sorted((Path(GIVEN) / "pictures").glob(f"{form}-*")) for form in corpus.FORMS}


@pytest.fixture(scope="session")
def squares(pictures: dict[str, list[Path]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """What the training's graph makes of the first picture of each form, uint8 `[S, S, 3]` by the picture's name."""
    if GIVEN is None:
        from tests.edge import tiny

        return tiny.squares([paths[0] for paths in pictures.values()])
    with np.load(Path(GIVEN) / "squares.npz") as file:
        return dict(file)
