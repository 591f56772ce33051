"""What all classification sources have in common: they find labelled examples, this makes splits, facts and the report of them."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kvision.core.errors import DataError
from kvision.data.arrays import ArraySplit
from kvision.data.divided_source import DividedSource
from kvision.data.palette import palette
from kvision.data.source import DataInfo
from kvision.data.splits import Labelled, SplitOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kvision.core.schema import DataOptions
    from kvision.data.faults import Fault
    from kvision.data.source import SplitName

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


class LabelledSource(DividedSource[Labelled]):
    """A classification data set; a source says by `find` which examples there are."""

    Options: ClassVar[type[DataOptions]] = SplitOptions
    options: _Options

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

    @property
    def pools(self) -> Mapping[SplitName, Labelled]:
        """The pools of `found`."""
        return self.found.pools

    def report(self) -> dict[str, Any]:
        """How the splits were made, how many examples of each class they hold, and which."""
        rule = self.rule(" within its class")
        if self.options.per_class is not None:
            rule += f"; of train {self.options.per_class} of each class, by the hash of each name, seed {self.seed}"
        return {
            "split": rule,
            "class_counts": {name: counts(split.labels, self.info.num_classes).tolist() for name, split in self.splits.items()},
            "files": {name: split.listing() for name, split in self.splits.items()},
            **self.found.facts,
        }


def counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Examples of each class.

    Args:
        labels: int `[N]`, or 0 and 1 `[N, K]`.
        num_classes: K.

    Returns:
        int64 `[K]`.
    """
    return labels.sum(0, dtype=np.int64) if labels.ndim == 2 else np.bincount(labels, minlength=num_classes)
