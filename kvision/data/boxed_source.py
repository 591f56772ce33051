"""Detection data sets as classification: which classes a picture shows, or which one the largest box is of."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError
from kvision.core.names import did_you_mean
from kvision.data import classes
from kvision.data.faults import Fault
from kvision.data.file_source import Collected, FileOptions, FileSource, Picture

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName


class BoxOptions(FileOptions):
    """What is made of the boxes."""

    target: Literal["classes", "largest"] = Field(
        "classes", description="`classes`: all classes that occur in a picture (several labels); `largest`: the class of the largest box (one label)."
    )


_Options = BoxOptions


@dataclass(frozen=True)
class Boxed:
    """One picture with its boxes: name and area of each, in any unit."""

    name: str
    file: Path
    boxes: Sequence[tuple[str, float]]


@dataclass
class BoxedSplits:
    """What the annotations say.

    Attributes:
        pools: The pictures that are called `train`, and perhaps `val` and `test`.
        class_names: Names of the classes in the order of their numbers; none: all that occur, sorted.
        faults: What is wrong so far.
    """

    pools: Mapping[SplitName, Sequence[Boxed]]
    class_names: Sequence[str] | None
    faults: list[Fault] = field(default_factory=list)


class BoxedSource(FileSource):
    """A detection data set; a source says by `boxed` what its annotations hold."""

    Options: ClassVar[type[DataOptions]] = BoxOptions
    options: _Options

    @abc.abstractmethod
    def boxed(self) -> BoxedSplits:
        """Reads the annotations; raises `DataError` that names the file and the fix."""

    def collect(self) -> Collected:
        """The pictures with the labels that `target` makes of their boxes; boxes of classes that `classes` leaves out don't count."""
        found = self.boxed()
        occurring = {name for members in found.pools.values() for one in members for name, _ in one.boxes}
        names = tuple(found.class_names or classes.of_words(occurring))
        for name in self.options.classes or ():
            if name not in names:
                raise DataError(f"data.classes: the annotations have no class {name!r}; they have {', '.join(names[:20])}{did_you_mean(name, names)}")
        names = self.options.classes or names
        several, wanted = self.options.target == "classes", frozenset(names)
        pools: dict[SplitName, list[Picture]] = {}
        for split, members in found.pools.items():
            pools[split] = []
            for one in members:
                boxes = [(name, area) for name, area in one.boxes if name in wanted]
                if several:
                    pools[split].append(Picture(one.name, one.file, tuple(dict.fromkeys(name for name, _ in boxes))))
                elif boxes:
                    pools[split].append(Picture(one.name, one.file, (max(boxes, key=lambda box: box[1])[0],)))
                else:
                    found.faults.append(Fault("no-box", (one.name,), "has no box that could say its class"))
        return Collected(pools, names, several, found.faults)
