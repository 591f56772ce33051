"""The reader's own folders, as the pages of the manual suppose them: small, drawn from scikit-learn's digits, the same each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 48
NAMES = ("rose", "tulip", "daisy")


def lay(folder: Path) -> None:
    """Everything that a page may suppose to be there.

    Args:
        folder: Where the reader stands.
    """
    digits = load_digits()
    pictures = [_picture(image) for image in digits.images[:60]]
    for number, (picture, mask) in enumerate(pictures[:24]):
        _save(picture, folder / "cells" / "images" / f"{number:02}.png")
        _save(mask, folder / "cells" / "masks" / f"{number:02}.png")
        _save(picture, folder / "photos" / f"{number:02}.png")
        _save(mask, folder / "masks" / f"{number:02}.png")
    for number, (picture, _) in enumerate(pictures):
        _save(picture, folder / "flowers" / NAMES[number % 3] / f"{number:02}.jpg")
        _save(picture, folder / "holiday" / f"{number:02}.jpg")
        words = f"a picture of the digit {digits.target[number]}\nsomebody wrote a {digits.target[number]} here\n"
        (folder / "holiday" / f"{number:02}.txt").write_text(words)
    _save(pictures[0][0], folder / "photo.jpg")
    for name in ("new", "photos/new"):
        _save(pictures[1][0], folder / name / "one.jpg")
        _save(pictures[2][0], folder / name / "two.jpg")
    sentence = "It was a dark and stormy night, and the rain fell in torrents."
    (folder / "book.txt").write_text("\n\n".join(f"Chapter {number}. {sentence}" for number in range(200)))
    (folder / "my.yaml").write_text("system: segmentation/unet\nmodel: {width: 8}\ndata: {source: image_masks, path: cells, classes: 2}\n")
    (folder / "pairs.tsv").write_text("question\tanswer\n" + "".join(f"what is {n} plus one\t{n + 1}\n" for n in range(200)))
    np.save(folder / "observation.npy", np.zeros(4, np.float32))


def _picture(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A digit in colour, and where it is."""
    large = np.kron(image / 16, np.ones((SIDE // 8, SIDE // 8)))
    return (np.stack([large, 1 - large, 0.5 + 0 * large], axis=-1) * 255).astype(np.uint8), (large > 0.5).astype(np.uint8)


def _save(pixels: np.ndarray, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file)
