"""Pictures named by a list, with their labels: CSV, TSV, JSON Lines or Parquet.

A picture is of several classes when a label is a list (JSON Lines, Parquet) or `separator` is given. A column that says the split is respected.
Parquet may hold the encoded pictures themselves, as Hugging Face's does.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import classes, lists
from kvision.data.encoded_split import RowSplit
from kvision.data.faults import Fault, left_out
from kvision.data.file_source import Collected, FileOptions, FileSource, Picture
from kvision.data.labelled_source import Found
from kvision.data.lists import ListOptions

if TYPE_CHECKING:
    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_LABEL = ("label", "labels", "class", "classes", "category", "target", "tags")


class Options(FileOptions, ListOptions):
    """Which list, and what its columns mean."""

    source: Literal["image_list"] = "image_list"
    label_column: str | None = Field(None, description="Column of the labels; none: label, class, category ...")
    label_names: dict[str, str] | None = Field(
        None, description="What stands in the list -> the class that it means, e.g. {'0.0': intact, '1.0': broken}; none: as it stands there."
    )
    separator: str | None = Field(None, min_length=1, description="What stands between several labels of a picture, such as `;`; none: one each.")


_Options = Options  # inside the source, `Options` is its attribute


class _Row(NamedTuple):
    """A row of a list: the picture's name, the encoded picture itself if the list holds it, and the classes."""

    name: str
    data: bytes | None
    labels: tuple[str, ...]


class ImageList(FileSource):
    """Pictures and labels named by a list."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def collect(self) -> Collected:
        """Reads the list."""
        pools, faults = self._members
        seen: defaultdict[str, int] = defaultdict(int)
        for members in pools.values():
            for row in members:
                seen[row.name] += 1
        faults = faults + [Fault("listed-twice", (name,), f"stands {times} times in the lists") for name, times in seen.items() if times > 1]
        pictures = {split: [Picture(row.name, self.root / row.name, row.labels) for row in members] for split, members in pools.items()}
        return Collected(pictures, self._class_names, self._several, faults, {"list": self.options.list})

    def find(self) -> Found:
        """As for all files, unless the list holds the pictures themselves."""
        pools, faults = self._members
        if not any(row.data is not None for members in pools.values() for row in members):
            return super().find()
        stopping = self.stopping(faults)
        made = {}
        for split, members in pools.items():
            names = [row.name for row in members]
            labels = classes.numbered([row.labels for row in members], self._class_names, names, several=self._several)
            made[split] = RowSplit([row.data or b"" for row in members].__getitem__, names, labels)
        return Found(made, self._class_names, {"list": self.options.list, "left_out": left_out(stopping)}, faults)

    @cached_property
    def _members(self) -> tuple[dict[SplitName, list[_Row]], list[Fault]]:
        """The rows by split, and what is wrong with them."""
        pools: defaultdict[SplitName, list[_Row]] = defaultdict(list)
        faults: list[Fault] = []
        for row, label in self._rows:
            labels = self._labels(label, row.name)
            if not labels and not self._several:
                faults.append(Fault("no-label", (row.name,), "has no label in the list"))
            else:
                pools[row.split].append(_Row(row.name, row.data, labels))
        if not pools["train"]:
            raise DataError(f"data.list: {self.root / self.options.list} names no training picture")
        return dict(pools), faults

    @cached_property
    def _rows(self) -> list[tuple[lists.Row, Any]]:
        """The rows of all lists, and what stands in the column of the labels."""
        return list(lists.read(self.root, self.options, self.options.label_column, _LABEL, "label"))

    @cached_property
    def _several(self) -> bool:
        """Whether a picture can be of several classes."""
        return self.options.separator is not None or any(isinstance(label, list) for _, label in self._rows)

    @cached_property
    def _class_names(self) -> tuple[str, ...]:
        pools, _ = self._members
        return self.options.classes or classes.of_words(word for members in pools.values() for row in members for word in row.labels)

    def _labels(self, value: Any, name: str) -> tuple[str, ...]:
        """The classes that a cell names."""
        if value is None:
            return ()
        separator, meant = self.options.separator, self.options.label_names
        words = value if isinstance(value, list) else str(value).split(separator) if separator is not None else [value]
        found = list(dict.fromkeys(word for word in (_word(each) for each in words) if word))
        for word in found if meant is not None else ():
            if word not in (meant or ()):
                raise DataError(f"{name}: the label {word!r} is not in data.label_names, which has {', '.join(meant or ())}; add it")
        return tuple(dict.fromkeys(meant[word] for word in found)) if meant is not None else tuple(found)


def _word(value: Any) -> str:
    """A label as text; 3.0, which tables make of whole numbers with gaps, is 3."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
