"""IDX files of your own, the format of MNIST and its relatives: pictures and labels, gzipped or not.

In `path` lie pairs of files of which one is named after the other, with `images` for `labels` and `idx3` for `idx1`. A pair is for the test when
its name holds `t10k` or `test`, for validation when it holds `val`, else for training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import arrays, classes, files, idx
from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.splits import SplitOptions

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_MARKS: tuple[tuple[str, SplitName], ...] = (("t10k", "test"), ("test", "test"), ("val", "val"), ("", "train"))


class Options(SplitOptions):
    """Where the files lie, and what the classes are called."""

    source: Literal["idx"] = "idx"
    path: str = Field(".", description="Folder of the files, relative to the recipe's file.")
    classes: tuple[str, ...] | None = Field(None, description="Names of the classes, from class 0 on; none: their numbers.")


_Options = Options  # inside the source, `Options` is its attribute


class Idx(LabelledSource):
    """Pictures and labels in IDX files."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def find(self) -> Found:
        """Reads all files; raises `DataError` that names the file that is missing or damaged."""
        pairs = image_files(files.folder(self.located(self.options.path), "data.path"))
        read = {split: pair(images, labels) for split, (images, labels) in pairs.items()}
        names = classes.of_numbers(self.options.classes, [labels for _, labels in read.values()])
        return Found({split: self.arrays(*both, split) for split, both in read.items()}, names)


def image_files(folder: Path) -> dict[SplitName, tuple[Path, Path]]:
    """The files of pictures and of labels in a folder, for each split; raises `DataError` if they are not one pair a split."""
    found: dict[SplitName, tuple[Path, Path]] = {}
    for images in sorted(folder.glob("*images*")):
        split = next(split for mark, split in _MARKS if mark in images.name)
        labels = folder / images.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
        if not labels.is_file():
            raise DataError(f"{images}: there is no {labels.name} beside it with the labels")
        if split in found:
            raise DataError(f"{images}: {found[split][0].name} is for {split} as well; keep one of them in the folder")
        found[split] = images, labels
    if "train" not in found:
        raise DataError(f"data.path: {folder} holds no IDX file of training images, such as train-images-idx3-ubyte.gz")
    return found


def pair(images: Path, labels: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 `[N, H, W]` or `[N, H, W, 3]` and labels int32 `[N]` of two IDX files; raises `DataError` if they don't go together."""
    pixels = arrays.pictures(idx.read(images), str(images))
    return pixels, arrays.labels(idx.read(labels), len(pixels), str(labels))
