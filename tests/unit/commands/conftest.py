"""Run folders with weights, made without training, one that scales pictures and one that keeps their resolution; and pictures to predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

PIXELS = np.random.default_rng(0).integers(0, 256, (21, 34, 3), np.uint8)
OPTIONS = ("data.size_px=16", "data.train_size=8", "data.val_size=6", "data.batch=4", "model.width=4", "model.depth=1", "optim.ema=0.9")


def make(path: Path, *overrides: str, recipe: str = "unet", smoke: bool = False) -> Path:
    """Builds a shipped recipe's network, and saves it as a run's only checkpoint."""
    from kvision import catalog
    from kvision.engine import artifacts, runfolder, session, state
    from kvision.engine.checkpoint import Checkpoints

    resolved = catalog.load(recipe, list(overrides), smoke=smoke)
    opened = session.open_session(resolved, catalog.system(resolved.recipe.system), catalog.source(resolved.recipe.data.source))
    environment = runfolder.environment(devices=opened.devices, precision=opened.precision, deterministic=False)
    with runfolder.claim(path, resume=False):
        vocabulary = opened.pipeline.texts.vocabulary if opened.pipeline.texts else None
        runfolder.describe(path, resolved, data=opened.pipeline.report(), environment=environment, vocabulary=vocabulary)
    Checkpoints(path / "checkpoints").save(state.read(opened.variables()), {"step": 2, "epoch": 1, "best_step": 2, "evaluated": "weights"})
    artifacts.write(opened, path)
    return path


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with `data.fit=resize`."""
    return make(tmp_path_factory.mktemp("runs") / "tiny", *OPTIONS)


@pytest.fixture(scope="session")
def crop_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with `data.fit=crop`."""
    return make(tmp_path_factory.mktemp("runs") / "tiny-crop", *OPTIONS, "data.fit=crop")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with pictures of three modes, one of them deeper, and a text."""
    folder = tmp_path / "photos"
    (folder / "deeper").mkdir(parents=True)
    picture = Image.fromarray(PIXELS)
    picture.save(folder / "a.png")
    picture.convert("L").save(folder / "deeper" / "a.jpg")
    picture.convert("CMYK").save(folder / "b.jpg")
    (folder / "notes.txt").write_text("not a picture")
    return folder
