"""Real pictures in every form that files come in: formats, modes, depths, orientations, odd sizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

STAMPS = Path("/usr/share/tuxpaint/stamps")
"""Debian's tuxpaint-stamps-default: cut-out photographs with transparency."""
_ORIENTATION = 0x0112


def _jpeg(picture: Image.Image, path: Path, number: int) -> None:
    picture.convert("RGB").save(path, "JPEG", quality=60 + number % 40, subsampling=number % 3, progressive=number % 2 == 1)


def _turned(picture: Image.Image, path: Path, number: int) -> None:
    exif = Image.Exif()
    exif[_ORIENTATION] = 1 + number % 8
    picture.convert("RGB").save(path, "JPEG", quality=90, exif=exif)


def _in_mode(mode: str, form: str) -> Callable[[Image.Image, Path, int], None]:
    return lambda picture, path, number: picture.convert(mode).save(path, form)


def _grey_16(picture: Image.Image, path: Path, number: int) -> None:
    values = np.asarray(picture.convert("L"), np.uint16) * 257 + np.random.default_rng(number).integers(-120, 120, picture.size[::-1])
    Image.fromarray(np.clip(values, 0, 65535).astype(np.uint16)).save(path, "TIFF" if number % 2 else "PNG")


def _transparent_palette(picture: Image.Image, path: Path, number: int) -> None:
    picture.convert("RGB").quantize(50 + number).save(path, "PNG", transparency=number % 50)


def _float(picture: Image.Image, path: Path, number: int) -> None:
    del number
    Image.fromarray(np.asarray(picture.convert("L"), np.float32) / 255).save(path, "TIFF")


FORMS: dict[str, Callable[[Image.Image, Path, int], None]] = {
    "jpeg": _jpeg,
    "exif": _turned,
    "png": _in_mode("RGB", "PNG"),
    "rgba": _in_mode("RGBA", "PNG"),
    "grey": _in_mode("L", "PNG"),
    "grey_alpha": _in_mode("LA", "PNG"),
    "grey_jpeg": _in_mode("L", "JPEG"),
    "cmyk": _in_mode("CMYK", "JPEG"),
    "palette": _in_mode("P", "PNG"),
    "transparent": _transparent_palette,
    "gif": _in_mode("P", "GIF"),
    "sixteen": _grey_16,
    "bilevel": _in_mode("1", "PNG"),
    "float": _float,
    "tiff": _in_mode("RGB", "TIFF"),
    "bmp": _in_mode("RGB", "BMP"),
    "webp": _in_mode("RGB", "WEBP"),
}


def _originals() -> list[Image.Image]:
    """Two photographs, and sixty cut-outs where they are installed."""
    from sklearn.datasets import load_sample_images

    found = [Image.fromarray(image).convert("RGBA") for image in load_sample_images().images]
    stamps = sorted(STAMPS.rglob("*.png"))
    for path in stamps[:: max(1, len(stamps) // 60)]:
        with Image.open(path) as stamp:
            found.append(stamp.convert("RGBA"))
    return found


def write(folder: Path, count: int = 200) -> dict[str, list[Path]]:
    """Writes `count` files of odd sizes, and gives them by form; the same ones each time."""
    random, originals = np.random.default_rng(17), _originals()
    made: dict[str, list[Path]] = {name: [] for name in FORMS}
    for number in range(count):
        name = list(FORMS)[number % len(FORMS)]
        longest = int(random.integers(5, 420))
        size = (longest | 1, max(3, int(longest * random.uniform(0.2, 1.0))))[:: random.choice([1, -1])]
        picture = originals[number % len(originals)].resize(size, Image.Resampling.LANCZOS)
        path = folder / f"{name}-{number}"
        FORMS[name](picture, path, number)
        made[name].append(path)
    return made
