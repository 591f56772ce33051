"""What all classification sources have in common: they find labelled examples, this makes splits, facts and the report of them."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kvision.core.errors import DataError
from kvision.data import splits
from kvision.data.arrays import ArraySplit
from kvision.data.palette import palette
from kvision.data.source import DataInfo, Source, SplitName
from kvision.data.splits import Labelled, SplitOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.core.schema import DataOptions
    from kvision.data.faults import Fault

_Options = SplitOptions


@dataclass(frozen=True)
class Found:
    """What the data holds.

    Attributes:
        pools: What the data itself calls `train`, and `val` and `test` where it does.
        class_names: Names of the K classes.
        facts: What else data.json should keep.
        faults: What is wrong with the data; examples that can't be used are in none of the pools.
    """

    pools: Mapping[SplitName, Labelled]
    class_names: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    faults: Sequence[Fault] = ()


class LabelledSource(Source):
    """A classification data set; a source says by `find` which examples there are."""

    Options: ClassVar[type[DataOptions]] = SplitOptions
    options: _Options
    whole: ClassVar[SplitName | None] = None
    """A split that holds all examples of data without splits of its own, whatever the options say; `kvision eval --data` sets it."""

    @abc.abstractmethod
    def find(self) -> Found:
        """Looks for the examples; raises `DataError` that names the file and the fix."""

    def arrays(self, images: np.ndarray, labels: np.ndarray, name: str) -> ArraySplit:
        """Examples in memory; pictures that must be scaled to the square are left to the pipeline, which keeps them scaled."""
        as_they_are = self.options.fit == "crop" or images.shape[1:3] == (self.options.size_px, self.options.size_px)
        return ArraySplit(images, labels, name, in_memory=as_they_are)

    @cached_property
    def found(self) -> Found:
        """What `find` found; raises `DataError` as it does, and when nothing has a label."""
        found = self.find()
        if not found.class_names:
            raise DataError(
                f"data.source: {self.options.source}: none of the {len(found.pools['train'])} training examples has a label; "
                "add labels, words or whole numbers, or say by the options of data where they stand"
            )
        return found

    @cached_property
    def info(self) -> DataInfo:
        """Classes, and whether an example is of one (`label`) or of any number of them (`targets`)."""
        names = self.found.class_names
        kind = "label" if self.found.pools["train"].labels.ndim == 1 else "targets"
        return DataInfo(names, palette(len(names) + 1)[1:], frozenset({"image", kind}))

    def split(self, name: SplitName) -> Labelled:
        """The examples of a split; raises `DataError` that says what to do where there is none."""
        if name not in self.splits:
            raise DataError(
                f"data.source: {self.options.source} has no {name} split; "
                f"set data.{name}_split, such as 0.2, to put a share of the examples aside for it"
            )
        return self.splits[name]

    def report(self) -> dict[str, Any]:
        """How the splits were made, how many examples of each class they hold, and which."""
        drawn = sorted(self.splits.keys() - self.found.pools.keys())
        rule = f"{' and '.join(drawn)} drawn by the hash of each name within its class, seed {self.options.split_seed}" if drawn else "the data's own"
        if self.options.per_class is not None:
            rule += f"; of train {self.options.per_class} of each class, by the hash of each name, seed {self.seed}"
        return {
            "split": rule,
            "class_counts": {name: counts(split.labels, self.info.num_classes).tolist() for name, split in self.splits.items()},
            "files": {name: split.listing() for name, split in self.splits.items()},
            **self.found.facts,
        }

    @cached_property
    def splits(self) -> dict[SplitName, Labelled]:
        """All splits that there are; raises `DataError` where `find` does, or when one would be empty."""
        if self.whole is not None:
            return {self.whole: self.found.pools["train"], **self.found.pools}
        return splits.divide(self.found.pools, self.options, self.seed)


def counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Examples of each class.

    Args:
        labels: int `[N]`, or 0 and 1 `[N, K]`.
        num_classes: K.

    Returns:
        int64 `[K]`.
    """
    return labels.sum(0, dtype=np.int64) if labels.ndim == 2 else np.bincount(labels, minlength=num_classes)
