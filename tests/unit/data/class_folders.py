"""Folders of pictures with a sub-folder for each class, for tests: noise around the class's own colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kvision.data.sources.image_folder import ImageFolder, Options

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = {"cat": (200, 60, 40), "dog": (40, 180, 60), "eel": (50, 60, 190)}


def picture(name: str, number: int, height: int = 12, width: int = 16) -> np.ndarray:
    """uint8 `[H, W, 3]`, another one for each class and number."""
    noise = np.random.default_rng([len(name), ord(name[0]), number]).integers(-30, 31, (height, width, 3))
    return (np.array(COLOURS[name]) + noise).astype(np.uint8)


def write(root: Path, count: int = 10, *, suffix: str = ".png", first: int = 0, names: tuple[str, ...] = tuple(COLOURS)) -> None:
    """Writes `cat/000.png` ..., `count` pictures of each class."""
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(first, first + count):
            Image.fromarray(picture(name, number)).save(root / name / f"{number:03}{suffix}")


def source(root: Path, **options: Any) -> ImageFolder:
    """The data set in a folder."""
    return ImageFolder(Options(path=str(root), **options), seed=0, base=root)
