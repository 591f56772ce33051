"""Classification sources whose pictures are files: their heads are read before training, and what is wrong with them is told by name."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from pydantic import Field

from kvision.core.errors import DataError
from kvision.core.schema import DataOptions
from kvision.data import classes, faults, files
from kvision.data.encoded_split import FileSplit
from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.splits import SplitOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kvision.data.faults import Fault
    from kvision.data.source import SplitName


class FolderOptions(DataOptions):
    """Where the files lie."""

    path: str = Field(".", description="Folder of the data set, relative to the recipe's file.")
    max_pixels: int = Field(
        100_000_000, ge=64, le=100_000_000, description="Largest number of pixels of one picture; more is taken for a decompression bomb."
    )


class FileOptions(SplitOptions, FolderOptions):
    """Where the files lie, and which classes there are."""

    classes: tuple[str, ...] | None = Field(None, description="Names of the classes, in the order of their numbers; none: all that occur, sorted.")


_Options = FileOptions


@dataclass(frozen=True)
class Picture:
    """One picture.

    Attributes:
        name: What a person finds it by: its path within the data set's folder.
        file: The file.
        labels: Names of its classes, where it has any.
        orientation: Its EXIF orientation, 1..8; 1 until the file's head is read.
    """

    name: str
    file: Path
    labels: tuple[str, ...] = ()
    orientation: int = 1


_Picture = TypeVar("_Picture", bound=Picture)


def readable(pictures: Sequence[_Picture], max_pixels: int) -> tuple[list[_Picture], list[Fault]]:
    """Reads the heads of files.

    Args:
        pictures: Which ones.
        max_pixels: More pixels than this are taken for a decompression bomb.

    Returns:
        Those of the pictures that can be used, with their orientation; and what is wrong.
    """
    heads = list(files.in_threads(lambda one: files.header(one.file, one.name, max_pixels), pictures))
    found = [replace(one, orientation=header.orientation) for one, (header, _) in zip(pictures, heads, strict=True) if header is not None]
    return found, [fault for _, wrong in heads for fault in wrong]


@dataclass
class Collected:
    """What a data set's folders and lists say there is.

    Attributes:
        pools: The pictures that are called `train`, and perhaps `val` and `test`.
        class_names: Names of the K classes.
        several: Whether a picture can be of any number of classes.
        faults: What is wrong so far.
        facts: What else data.json should keep.
    """

    pools: Mapping[SplitName, Sequence[Picture]]
    class_names: tuple[str, ...]
    several: bool = False
    faults: list[Fault] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class FileSource(LabelledSource):
    """A data set of picture files; a source says by `collect` which there are."""

    Options: ClassVar[type[DataOptions]] = FileOptions
    options: _Options

    @abc.abstractmethod
    def collect(self) -> Collected:
        """Looks for files and labels, not into pictures; raises `DataError` when there is nothing to look at."""

    @cached_property
    def root(self) -> Path:
        """The data set's folder."""
        return files.folder(self.located(self.options.path), "data.path")

    @cached_property
    def collected(self) -> Collected:
        """What `collect` found, and what the heads of the files say: pictures that can't be used are left out of the pools."""
        collected = self.collect()
        pools: dict[SplitName, Sequence[Picture]] = {}
        for split, pictures in collected.pools.items():
            pools[split], wrong = readable(pictures, self.options.max_pixels)
            collected.faults += wrong
        collected.pools = pools
        return collected

    def find(self) -> Found:
        """The pictures that can be used; raises `DataError` that names the faulty files when `on_error` is `stop`, or when none is left."""
        collected = self.collected
        stopping = self.stopping(collected.faults)
        empty = [split for split, pictures in collected.pools.items() if not pictures]
        if empty:
            why = faults.stop_message(stopping, self.root) if stopping else "no picture"
            raise DataError(f"{self.root}: nothing is left for {empty[0]}: {why}")
        if len(collected.class_names) < 2 and not collected.several:
            raise DataError(f"{self.root}: holds one class only, {collected.class_names[0]}; add examples of another one to tell it from")
        facts = {"folder": str(self.root), **collected.facts, "left_out": faults.left_out(stopping)}
        pools = {split: self._split_of(pictures) for split, pictures in collected.pools.items()}
        return Found(pools, collected.class_names, facts, collected.faults)

    def stopping(self, found: Sequence[Fault]) -> list[Fault]:
        """Those of the faults that make examples useless; raises `DataError` that names them when `on_error` is `stop`."""
        return faults.stopping(found, self.options.on_error, self.root)

    def _split_of(self, pictures: Sequence[Picture]) -> FileSplit:
        names = [picture.name for picture in pictures]
        labels = classes.numbered([picture.labels for picture in pictures], self.collected.class_names, names, several=self.collected.several)
        orientations = np.array([picture.orientation for picture in pictures], np.int32)
        return FileSplit([picture.file for picture in pictures], names, labels, orientations)
