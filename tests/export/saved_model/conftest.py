"""Published models, made once for each worker: one that brings pictures into the square, and one that keeps their resolution."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_export.subject import Subject

_SMALL = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)


def pixels(height: int, width: int) -> np.ndarray:
    """A smooth picture uint8 `[H, W, 3]`."""
    return np.asarray(Image.fromarray(_SMALL).resize((width, height), Image.Resampling.BICUBIC))


def file(height: int, width: int, kind: str = "PNG", mode: str = "RGB", **options: object) -> bytes:
    """An encoded picture."""
    made = io.BytesIO()
    Image.fromarray(pixels(height, width)).convert(mode).save(made, kind, **options)
    return made.getvalue()


def mask(data: bytes) -> np.ndarray:
    """The values of an encoded mask, uint8 `[H, W]`."""
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture)


@pytest.fixture(scope="session")
def published(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`NAME/1` of a model with `data.fit=resize`; not to be changed."""
    from kvision_export.saved_model import publish

    return publish.publish(subject, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def crop_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with `data.fit=crop` and weights far from 0, so that its classes vary."""
    from tests.unit.commands.conftest import make

    return make(tmp_path_factory.mktemp("runs") / "crop", "data.fit=crop", "model.upsampling=bilinear")


@pytest.fixture(scope="session")
def crop_subject(crop_run: Path) -> Subject:
    """The same, opened for export."""
    from kvision.commands import export

    return export.open_subject(crop_run)
