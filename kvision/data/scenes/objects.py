"""The objects that scenes are composed of: real handwritten digits, drawn shapes, or Debian's cut-out photographs.

An object is a smooth *field*, 8-bit, whose level set at 128 is its outline: it can be turned, scaled and thresholded at any size and stays
crisp. An object image belongs to one split for good: which one depends on nothing but `_SPLIT_KEY`, its class and its number.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from PIL import Image

from kvision.core.errors import DataError
from kvision.data.scenes import lexicon

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.data.source import SplitName

Kind = Literal["digits", "shapes", "stamps"]

FIELD_PX = 96
"""Side of an object's field, pixels."""
STAMPS = Path("/usr/share/tuxpaint/stamps")
_SPLIT_KEY = 20150518
_VAL_SHARE = 0.2
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Item:
    """One object image.

    Attributes:
        label: Its class, 1..K-1.
        noun: What a caption calls it: `seven`, `ladybug`.
        field: Mode L, `FIELD_PX` square; the outline is where it is 128.
        picture: RGB of the same size for a photograph, none for an object that is filled with a colour.
        extent: Share of the field's side that the object fills.
    """

    label: int
    noun: str
    field: Image.Image
    picture: Image.Image | None
    extent: float


@dataclass(frozen=True)
class Library:
    """The objects of one kind that one split may use; `items[k]` are those of class k + 1."""

    items: tuple[tuple[Item, ...], ...]


def class_names(kind: Kind, folders: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Names of the K classes, the background first.

    Args:
        kind: Of objects.
        folders: Of stamps, those whose photographs are meant; none: all.

    Returns:
        K names.

    Raises:
        DataError: The stamps are not installed, or have no such folder.
    """
    if kind == "digits":
        return ("background", *(f"digit {digit}" for digit in range(10)))
    if kind == "shapes":
        return ("background", *_SHAPES)
    return ("background", *_stamp_files(folders))


def nouns(kind: Kind, folders: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What captions call the objects of all splits; raises `DataError` as `class_names` does."""
    if kind == "digits":
        return _DIGITS
    if kind == "shapes":
        return tuple(_SHAPES)
    return tuple(sorted({_noun(file) for files in _stamp_files(folders).values() for file in files}))


@functools.lru_cache(maxsize=6)
def library(kind: Kind, split: SplitName | None, folders: tuple[str, ...] = ()) -> Library:
    """The objects of a kind that belong to a split, or those of all splits; raises `DataError` as `class_names` does."""
    load: dict[Kind, Callable[[SplitName], list[list[Item]]]] = {"digits": _digits, "shapes": _shapes, "stamps": partial(_stamps, folders)}
    parts = [load[kind](each) for each in ([split] if split else ("train", "val"))]
    return Library(tuple(tuple(itertools.chain(*items)) for items in zip(*parts, strict=True)))


def members(count: int, label: int, split: SplitName) -> list[int]:
    """Which of the `count` images of class `label` belong to the split, ascending; each split gets at least one."""
    order = np.random.default_rng([_SPLIT_KEY, label]).permutation(count)
    cut = max(1, round(_VAL_SHARE * count))
    return sorted(order[:cut].tolist() if split == "val" else order[cut:].tolist())


def _digits(split: SplitName) -> list[list[Item]]:
    """scikit-learn's 8x8 handwritten digits, sharpened a little so that the loops of 6, 8 and 9 stay open, enlarged smoothly."""
    from scipy import ndimage
    from sklearn.datasets import load_digits

    data = load_digits()
    cells = np.pad(data.images / 16.0, ((0, 0), (2, 2), (2, 2)))
    cells = cells + 0.8 * (cells - ndimage.gaussian_filter(cells, (0, 1.0, 1.0)))
    library: list[list[Item]] = []
    for digit in range(10):
        numbers = np.flatnonzero(data.target == digit)
        items = []
        for member in members(len(numbers), digit + 1, split):
            small = Image.fromarray(cells[numbers[member]].astype(np.float32))
            values = np.asarray(small.resize((FIELD_PX, FIELD_PX), Image.Resampling.BICUBIC))
            # One grey cell wide on either side of the outline is all that is needed to draw it at any weight.
            field = Image.fromarray(np.clip(128 + 255 * (values - 0.5), 0, 255).astype(np.uint8))
            items.append(Item(digit + 1, _DIGITS[digit], field, None, 8 / 12))
        library.append(items)
    return library


def _polygon(corners: int, *, inner: float = 1.0, power: float = 1.0) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A regular polygon, or a star when `inner` < 1: signed insideness of a point (x, y), about -1..1."""

    def inside(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        angle = (np.arctan2(x, -y) / (2 * math.pi) * corners) % 1.0
        if inner < 1.0:
            rim = inner + (1 - inner) * np.abs(2 * angle - 1) ** power
        else:
            rim = math.cos(math.pi / corners) / np.cos((angle - 0.5) * 2 * math.pi / corners)
        return rim - np.hypot(x, y)

    return inside


def _heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A square on its corner with half discs on its upper sides."""
    half = 0.74
    lobes = half / math.sqrt(2) - np.hypot(np.abs(x) - half / 2, y + half / 2 - 0.1)
    return np.maximum(lobes, (half - np.abs(x) - np.abs(y - 0.1)) / math.sqrt(2))


_SHAPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "circle": lambda x, y: 1 - np.hypot(x, y),
    "triangle": _polygon(3),
    "square": lambda x, y: 0.8 - np.maximum(np.abs(x), np.abs(y)),
    "star": _polygon(5, inner=0.45),
    "ring": lambda x, y: 0.25 - np.abs(np.hypot(x, y) - 0.75),
    "cross": lambda x, y: np.minimum(1 - np.maximum(np.abs(x), np.abs(y)), 0.32 - np.minimum(np.abs(x), np.abs(y))),
    "heart": _heart,
    "moon": lambda x, y: np.minimum(1 - np.hypot(x, y), np.hypot(x - 0.55, y) - 0.75),
}
_SHAPE_VARIANTS = 60


def _shapes(split: SplitName) -> list[list[Item]]:
    """Eight shapes, each in variants that differ in proportion and in a wobble of the outline."""
    axis = (np.arange(FIELD_PX) + 0.5) / FIELD_PX * 3 - 1.5
    x, y = np.meshgrid(axis, axis)
    angle = np.arctan2(y, x)
    library = []
    for label, (noun, inside) in enumerate(_SHAPES.items(), start=1):
        items = []
        for member in members(_SHAPE_VARIANTS, label, split):
            rng = np.random.default_rng([_SPLIT_KEY, label, member])
            stretch = math.exp(rng.uniform(-0.15, 0.15))
            wobble = 1 + rng.uniform(0, 0.06) * np.sin(rng.integers(2, 6) * angle + rng.uniform(0, 2 * math.pi))
            values = inside(x * stretch * wobble, y / stretch * wobble)
            items.append(Item(label, noun, Image.fromarray(np.clip(128 + 500 * values, 0, 255).astype(np.uint8)), None, 2 / 3))
        library.append(items)
    return library


@functools.lru_cache(maxsize=2)
def _stamp_files(folders: tuple[str, ...] = ()) -> dict[str, list[Path]]:
    """The described photographs of each top-level folder of Debian's stamps, or of these folders, sorted."""
    files: dict[str, list[Path]] = {}
    for file in sorted(STAMPS.rglob("*.png")):
        if file.with_suffix(".txt").exists():
            files.setdefault(file.relative_to(STAMPS).parts[0], []).append(file)
    if not files:
        msg = f"data.objects: stamps: no stamps in {STAMPS}; install them by `apt-get install tuxpaint-stamps-default`, or use digits or shapes"
        raise DataError(msg)
    files = {name: found for name, found in files.items() if len(found) > 1}
    if unknown := [name for name in folders if name not in files]:
        raise DataError(f"data.folders: {unknown[0]}: no such folder of stamps in {STAMPS}; there are {', '.join(files)}")
    return {name: files[name] for name in folders or files}


def _stamps(folders: tuple[str, ...], split: SplitName) -> list[list[Item]]:
    """Cut-out photographs with their descriptions, one class a folder."""
    found = enumerate(_stamp_files(folders).values(), start=1)
    return [[_stamp(files[member], label) for member in members(len(files), label, split)] for label, files in found]


def _stamp(file: Path, label: int) -> Item:
    with Image.open(file) as opened:
        stamp = opened.convert("RGBA")
    box = stamp.getchannel("A").getbbox()
    stamp = stamp.crop(box) if box else stamp
    inner = FIELD_PX - 4
    stamp.thumbnail((inner, inner), Image.Resampling.LANCZOS)
    if max(stamp.size) < inner:
        scale = inner / max(stamp.size)
        stamp = stamp.resize((max(1, round(stamp.width * scale)), max(1, round(stamp.height * scale))), Image.Resampling.BICUBIC)
    square = Image.new("RGBA", (FIELD_PX, FIELD_PX))
    square.paste(stamp, ((FIELD_PX - stamp.width) // 2, (FIELD_PX - stamp.height) // 2))
    return Item(label, _noun(file), square.getchannel("A"), square.convert("RGB"), inner / FIELD_PX)


def _noun(file: Path) -> str:
    """What the text beside a stamp calls it, `A red kangaroo.` -> `red kangaroo`; a long description is replaced by the file's name."""
    text = file.with_suffix(".txt").read_text(encoding="utf-8", errors="replace").strip()
    words = lexicon.words(text.partition("\n")[0])
    if words and words[0] in {"a", "an", "the"}:
        words = words[1:]
    if not words or len(words) > 4:
        words = lexicon.words(file.stem.replace("-", " ").replace("_", " "))
    return " ".join(words)
