"""YOLO labels (one text file a picture) as classes of whole pictures: all that occur, or that of the largest box.

`data.yaml` names the classes and the folders of the pictures; the labels of `.../images/.../a.jpg` are in `.../labels/.../a.txt`, a line
`class x y width height` (or `class x y x y ...`, a polygon) for each object, all but the class as fractions of the picture. A picture
without a text file shows none of the classes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kvision.core import yaml_parser
from kvision.core.document import MAX_BYTES
from kvision.core.errors import DataError, RecipeError
from kvision.data import files
from kvision.data.boxed_source import Boxed, BoxedSource, BoxedSplits, BoxOptions
from kvision.data.faults import Fault
from kvision.data.headers import SUFFIXES

if TYPE_CHECKING:
    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


class Options(BoxOptions):
    """Where the description lies."""

    source: Literal["yolo"] = "yolo"
    description: str = Field("data.yaml", description="File that names classes and folders, relative to `path`.")


_Options = Options  # inside the source, `Options` is its attribute


class Yolo(BoxedSource):
    """Pictures with YOLO's text labels."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def boxed(self) -> BoxedSplits:
        """Reads the description and all labels."""
        file = self.root / self.options.description
        content = _read(file)
        names = _names(content, file)
        top = _plain(file.parent / str(content.get("path") or "."))
        top = top if top.is_dir() else file.parent  # `path` often is that of another machine
        pools: dict[SplitName, list[Boxed]] = {}
        faults: list[Fault] = []
        for split in _SPLITS:
            given = content.get(split, content.get("valid") if split == "val" else None)
            if given is None:
                continue
            try:
                images = [image for each in (given if isinstance(given, list) else [given]) for image in _images(top / str(each), file, split)]
            except (OSError, ValueError) as error:  # no name that a file can have, or a list that is no text
                raise DataError(f"{file}: {split}: {str(given)[:80]!r} can't be read: {str(error)[:80]}; give a folder or a text file") from error
            pools[split] = []
            for one in files.in_threads(lambda image: self._boxed(image, names), images):
                if isinstance(one, Fault):
                    faults.append(one)
                else:
                    pools[split].append(one)
        if "train" not in pools:
            raise DataError(f"{file}: has no entry train; add the folder of the training pictures, such as train: images/train")
        return BoxedSplits(pools, names, faults)

    def _boxed(self, image: Path, names: list[str]) -> Boxed | Fault:
        """One picture's boxes."""
        labels = _labels_of(image)
        boxes = []
        try:
            lines = labels.read_text(encoding="utf-8").splitlines() if labels.is_file() else []
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    boxes.append(_box(line, names, number))
        except (OSError, ValueError) as error:
            return Fault("bad-annotation", (files.name_within(labels, _plain(self.root)),), str(error))
        return Boxed(files.name_within(image, _plain(self.root)), image, boxes)


def _plain(path: Path) -> Path:
    """The path without `.` and `..`; links stay, since the labels of a linked picture lie beside the link."""
    return Path(os.path.normpath(path))


def _read(file: Path) -> dict[str, Any]:
    """The description, within the limits of a recipe: a file from elsewhere may be hostile."""
    try:
        if (size := file.stat().st_size) > MAX_BYTES:
            raise DataError(f"{file}: has {size:,} bytes, a description has at most {MAX_BYTES:,}; is this the right file?")
        content, _ = yaml_parser.parse(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: can't be read as YAML: {error}") from error
    except RecipeError as error:
        raise DataError(f"{file}: can't be read as YAML: {error.problems[0].message}") from error
    if not isinstance(content, dict):
        raise DataError(f"{file}: needs the entries names, train and val")
    return content


def _names(content: dict[str, Any], file: Path) -> list[str]:
    """The names of the classes: a list, or a mapping from number to name."""
    names = content.get("names")
    if isinstance(names, dict) and names.keys() == {str(k) for k in range(len(names))}:
        names = [names[str(k)] for k in range(len(names))]
    if not isinstance(names, list) or not names or len(set(map(str, names))) < len(names):
        raise DataError(f"{file}: names is {names!r}; accepted: a list of different names, or a mapping of 0, 1, ... to them")
    return [str(name) for name in names]


def _images(place: Path, file: Path, split: SplitName) -> list[Path]:
    """The pictures of a folder, or those that a text file names."""
    if place.is_file() and place.suffix == ".txt":
        listed = (line.strip() for line in place.read_text(encoding="utf-8").splitlines())
        return [_plain(place.parent / line) for line in listed if line]
    if not place.is_dir():
        raise DataError(f"{file}: {split}: there is no folder {place}; mend the entry, which is relative to {file.parent} or to the entry path")
    found = sorted(_plain(image) for image in place.rglob("*") if image.suffix.lower() in SUFFIXES and not image.name.startswith("."))
    if not found:
        raise DataError(f"{file}: {split}: {place} holds no pictures")
    return found


def _labels_of(image: Path) -> Path:
    """The text file of a picture: the last folder `images` in its path becomes `labels`."""
    parts = list(image.with_suffix(".txt").parts)
    for at in range(len(parts) - 2, -1, -1):
        if parts[at] == "images":
            parts[at] = "labels"
            break
    return Path(*parts)


def _box(line: str, names: list[str], number: int) -> tuple[str, float]:
    """Class and area of one line; raises `ValueError` that says what is wrong with it."""
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        values = []
    if len(values) < 5 or (len(values) > 5 and len(values) % 2 == 0) or not values[0].is_integer():
        raise ValueError(f"line {number}: got {line.strip()[:60]!r}, expected `class x y width height` or a polygon")
    if not 0 <= values[0] < len(names):
        raise ValueError(f"line {number}: the class {int(values[0])} is none of 0..{len(names) - 1}")
    if len(values) == 5:
        return names[int(values[0])], values[3] * values[4]
    return names[int(values[0])], (max(values[1::2]) - min(values[1::2])) * (max(values[2::2]) - min(values[2::2]))
