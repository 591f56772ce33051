"""Pictures named by a list, with their labels: CSV, TSV, JSON Lines or Parquet.

A picture is of several classes when a label is a list (JSON Lines, Parquet) or `separator` is given. A column that says the split is respected.
Parquet may hold the encoded pictures themselves, as Hugging Face's does.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import classes, tables
from kvision.data.encoded_split import RowSplit
from kvision.data.faults import Fault, left_out
from kvision.data.file_source import Collected, FileOptions, FileSource, Picture
from kvision.data.labelled_source import Found

if TYPE_CHECKING:
    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_IMAGE = ("image", "path", "file", "filename", "file_name", "filepath", "image_path", "img")
_LABEL = ("label", "labels", "class", "classes", "category", "target", "tags")
_SPLIT = ("split", "set", "subset", "partition")
_SPLIT_WORDS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


class Options(FileOptions):
    """Which list, and what its columns mean."""

    source: Literal["image_list"] = "image_list"
    list: str = Field("labels.csv", description="File of the list, relative to `path`: .csv, .tsv, .jsonl or .parquet; of all or of training.")
    val_list: str | None = Field(None, description="List of the validation pictures, likewise; none: by the column of the split, or by `val_split`.")
    test_list: str | None = Field(None, description="List of the test pictures, likewise; none: by the column of the split, or by `test_split`.")
    image_column: str | None = Field(None, description="Column of the pictures' files, relative to `path`; none: image, path, file, filename ...")
    label_column: str | None = Field(None, description="Column of the labels; none: label, class, category ...")
    split_column: str | None = Field(None, description="Column that says train, val or test; none: split, set, subset, partition if there is one.")
    columns: tuple[str, ...] | None = Field(
        None, description="Names of the columns of a CSV list without a line of names, such as [image, label]; none: its first line names them."
    )
    label_names: dict[str, str] | None = Field(
        None, description="What stands in the list -> the class that it means, e.g. {'0.0': intact, '1.0': broken}; none: as it stands there."
    )
    separator: str | None = Field(None, min_length=1, description="What stands between several labels of a picture, such as `;`; none: one each.")
    suffix: str = Field("", description="Ending to add to the pictures' names where the list leaves it out, such as .jpg.")


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
        options = self.options
        pools: defaultdict[SplitName, list[_Row]] = defaultdict(list)
        faults: list[Fault] = []
        for split, (file, rows) in self._tables.items():
            image, label = (self._column(rows, kind, file) for kind in ("image", "label"))
            where = tables.column(rows, options.split_column, _SPLIT, "data.split_column", file) if split == "train" else None
            for number, row in enumerate(rows):
                name, data = self._picture(row[image], f"{file.name}/{number}")
                labels = self._labels(row[label], name)
                if not labels and not self._several:
                    faults.append(Fault("no-label", (name,), "has no label in the list"))
                else:
                    pools[_split_word(row[where], file) if where else split].append(_Row(name, data, labels))
        if not pools["train"]:
            raise DataError(f"data.list: {self.root / options.list} names no training picture")
        return dict(pools), faults

    @cached_property
    def _tables(self) -> dict[SplitName, tuple[Path, list[tables.Row]]]:
        """The lists that are given, by split."""
        options = self.options
        given: dict[SplitName, str | None] = {"train": options.list, "val": options.val_list, "test": options.test_list}
        files_of = {split: self.root / name for split, name in given.items() if name is not None}
        return {split: (file, tables.read(file, options.columns)) for split, file in files_of.items()}

    @cached_property
    def _several(self) -> bool:
        """Whether a picture can be of several classes."""
        file, rows = self._tables["train"]
        label = self._column(rows, "label", file)
        return self.options.separator is not None or any(isinstance(row[label], list) for row in rows)

    @cached_property
    def _class_names(self) -> tuple[str, ...]:
        pools, _ = self._members
        return self.options.classes or classes.of_words(word for members in pools.values() for row in members for word in row.labels)

    def _column(self, rows: list[tables.Row], kind: Literal["image", "label"], file: Path) -> str:
        """The column of the pictures or of the labels."""
        option = f"{kind}_column"
        found = tables.column(rows, getattr(self.options, option), _IMAGE if kind == "image" else _LABEL, f"data.{option}", file)
        if found is None:
            raise DataError(f"{file}: which column holds the {kind}s? It has {', '.join(rows[0])}; say it by data.{option}")
        return found

    def _picture(self, value: Any, otherwise: str) -> tuple[str, bytes | None]:
        """Name and, if the list holds it, encoded picture."""
        if isinstance(value, dict):
            return value.get("path") or otherwise, value.get("bytes")
        if isinstance(value, bytes):
            return otherwise, value
        return Path(f"{value}{self.options.suffix}").as_posix(), None

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


def _split_word(value: Any, file: Path) -> SplitName:
    word = str(value).strip().lower()
    if word not in _SPLIT_WORDS:
        raise DataError(f"{file}: the split {value!r} is none of {', '.join(_SPLIT_WORDS)}; mend the list, or name the column by data.split_column")
    return _SPLIT_WORDS[word]
