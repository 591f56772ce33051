"""Pictures and labels in one `.npz` file of NumPy.

Which array is which is told by the names, as Keras, MedMNIST and scikit-learn write them: `x_train` and `y_train`, `train_images` and
`train_labels`, `images` and `labels`, `X` and `y`, the same with `val` or `test`; else by `images` and `labels`.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import arrays, classes
from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.splits import SplitOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_IMAGES = re.compile(r"^(x|data|images?)$")
_LABELS = re.compile(r"^(y|targets?|labels?)$")
_SPLITS: dict[str, SplitName] = {"train": "train", "val": "val", "valid": "val", "test": "test"}


class Options(SplitOptions):
    """Which file, and what the classes are called."""

    source: Literal["npz"] = "npz"
    path: str = Field("data.npz", description="The file, relative to the recipe's file.")
    images: str | None = Field(None, description="Name of the array of all pictures; none: by the names in the file, such as x_train and x_test.")
    labels: str | None = Field(None, description="Name of the array of all labels; none: by the names in the file, such as y_train and y_test.")
    classes: tuple[str, ...] | None = Field(None, description="Names of the classes, from class 0 on; none: their numbers.")
    one_hot: bool = Field(False, description="Whether labels `[N, K]` are one class each, not several.")


_Options = Options  # inside the source, `Options` is its attribute


class Npz(LabelledSource):
    """Pictures uint8, 0-1 or bool `[N, H, W]` or `[N, H, W, C]`, labels `[N]`, or `[N, K]` for several classes each."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def find(self) -> Found:
        """Reads the file; raises `DataError` that names the array at fault."""
        file = self.located(self.options.path)
        pools, all_labels = {}, []
        with _opened(file) as content:
            for split, (images, labels) in self._names(file, content.files).items():
                pixels = arrays.pictures(_array(content, images, file), f"{file}: {images}")
                numbers = arrays.labels(_array(content, labels, file), len(pixels), f"{file}: {labels}")
                if self.options.one_hot:
                    numbers = _one_hot(numbers, f"{file}: {labels}")
                all_labels.append(numbers)
                pools[split] = self.arrays(pixels, numbers, split)
        return Found(pools, classes.of_numbers(self.options.classes, all_labels), {"file": str(file)})

    def _names(self, file: Path, names: list[str]) -> dict[SplitName, tuple[str, str]]:
        """The names of the arrays of pictures and labels of each split."""
        given = (self.options.images, self.options.labels)
        if given[0] is not None and given[1] is not None:
            for name in given:
                if name not in names:
                    raise DataError(f"{file}: holds no array {name!r}; it holds {', '.join(names)}")
            return {"train": (given[0], given[1])}
        found: dict[SplitName, list[str | None]] = {}
        for name in names:
            parts = [part for part in name.lower().split("_") if part]
            split: SplitName = next((_SPLITS[part] for part in parts if part in _SPLITS), "train")
            rest = "_".join(part for part in parts if part not in _SPLITS)
            for place, pattern in enumerate((_IMAGES, _LABELS)):
                if pattern.match(rest):
                    found.setdefault(split, [None, None])[place] = name
        pairs = {split: (pair[0], pair[1]) for split, pair in found.items() if pair[0] is not None and pair[1] is not None}
        if "train" not in pairs:
            raise DataError(f"{file}: holds {', '.join(names)}; say by data.images and data.labels which of them are the pictures and the labels")
        return pairs


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[np.lib.npyio.NpzFile]:
    with contextlib.ExitStack() as stack:
        try:
            stream = stack.enter_context(file.open("rb"))  # numpy does not close a damaged file that it opened itself
            content = np.load(stream, allow_pickle=False)
        except Exception as error:  # a damaged archive can fail in any way
            raise DataError(f"data.path: {file} can't be read as .npz: {error}") from error
        if not isinstance(content, np.lib.npyio.NpzFile):
            raise DataError(f"data.path: {file} holds a single array; save pictures and labels by numpy.savez(file, images=..., labels=...)")
        yield stack.enter_context(content)


def _array(content: np.lib.npyio.NpzFile, name: str, file: Path) -> np.ndarray:
    try:
        found = content[name]
    except Exception as error:  # so can a damaged array
        raise DataError(f"{file}: {name} can't be read ({error}); arrays of Python objects are not, save plain numbers") from error
    if not isinstance(found, np.ndarray):
        raise DataError(f"{file}: {name} is no array, but {len(found)} bytes of something else; save it anew by numpy.savez")
    return found


def _one_hot(labels: np.ndarray, where: str) -> np.ndarray:
    if labels.ndim != 2 or (labels.sum(1) != 1).any():
        raise DataError(f"{where}: is not one-hot: each of its rows must hold one 1; set data.one_hot: false for several classes each")
    return labels.argmax(1).astype(np.int32)
