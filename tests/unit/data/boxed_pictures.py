"""Three kinds of pictures with boxes, for the tests of detection formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 20
NAMES = ("cat", "dog", "eel")
BOXES = {
    "a": [("dog", (2, 2, 6, 6)), ("cat", (1, 8, 19, 19))],
    "b": [("dog", (0, 0, 4, 10)), ("dog", (5, 5, 9, 9))],
    "c": [],
    "d": [("eel", (3, 3, 5, 5)), ("dog", (10, 10, 12, 12.5)), ("cat", (0, 0, 1, 1))],
}
"""Of each picture: class and box as left, top, right, bottom."""
TARGETS = {"a": [1, 1, 0], "b": [0, 1, 0], "c": [0, 0, 0], "d": [1, 1, 1]}
LARGEST = {"a": 0, "b": 1, "d": 1}


def images(folder: Path, copies: int = 3, suffix: str = ".png") -> list[tuple[str, str]]:
    """Writes `a0.png` ... into a folder; gives back name and kind of each picture."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [(f"{kind}{number}", kind) for kind in BOXES for number in range(copies)]
    for number, (name, _) in enumerate(made):
        noise = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"{name}{suffix}")
    return made


def kinds_and_labels(split) -> dict[str, object]:
    """The label of each kind of picture in a split."""
    return {name.split("/")[-1][0]: row.tolist() for name, row in zip(split.names, split.labels, strict=True)}
