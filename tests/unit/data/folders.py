"""Image folders for tests: small pictures of coloured discs with masks, in whatever format is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from kvision.data.sources.image_masks import ImageMasks, Options

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = {"background": (0, 0, 0), "road": (128, 64, 128), "tree": (0, 128, 0)}


def picture(seed: int, height: int = 24, width: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """A noisy image with two discs, uint8 `[H, W, 3]`, and its mask with the classes 0, 1, 2."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    mask = np.zeros((height, width), np.uint8)
    for label, left in ((1, 0.28), (2, 0.72)):
        cy, cx = height * rng.uniform(0.4, 0.6), width * (left + rng.uniform(-0.05, 0.05))
        mask[np.hypot(y - cy, x - cx) < 0.22 * height] = label
    image = rng.integers(0, 60, (height, width, 3)) + np.array([[90, 90, 90], [180, 60, 60], [60, 60, 190]])[mask]
    return image.astype(np.uint8), mask


def indexed(mask: np.ndarray, colours: list[int] | None = None) -> Image.Image:
    """A mask as an indexed picture; by default with a palette in which many colours are the same."""
    out = Image.frombytes("P", (mask.shape[1], mask.shape[0]), mask.tobytes())
    out.putpalette(colours or [0, 0, 0] * 200 + [255, 255, 255] * 56)
    return out


def coloured(mask: np.ndarray) -> np.ndarray:
    """A mask in the colours of `COLOURS`."""
    return np.array(list(COLOURS.values()), np.uint8)[mask]


def write(
    root: Path, count: int = 10, *, suffix: str = ".png", kind: str = "grey", images: str = "images", masks: str = "masks", first: int = 0
) -> None:
    """Writes `count` pairs `000`, `001` ...; the masks are grey, indexed or in colours."""
    (root / images).mkdir(parents=True, exist_ok=True)
    (root / masks).mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        image, mask = picture(number)
        Image.fromarray(image).save(root / images / f"{number:03}{suffix}")
        out = {"grey": Image.fromarray, "indexed": indexed, "colour": lambda m: Image.fromarray(coloured(m))}[kind](mask)
        out.save(root / masks / f"{number:03}.png")


def source(root: Path, **options: Any) -> ImageMasks:
    """The data set in a folder, by default with three classes."""
    options = {"path": str(root), **options}
    if "colours" not in options:
        options.setdefault("classes", 3)
    return ImageMasks(Options(**options), seed=0, base=root)
