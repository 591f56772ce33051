"""A data set of the Hugging Face Hub, by name, or a local one that the package `datasets` can load.

The pictures stay in the package's cache on the disk and are read from there row by row.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError
from kvision.core.names import did_you_mean
from kvision.data import classes, extra
from kvision.data.encoded_split import RowSplit
from kvision.data.labelled_source import Found, LabelledSource
from kvision.data.splits import SplitOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_SPLITS: dict[str, SplitName] = {"train": "train", "validation": "val", "valid": "val", "val": "val", "dev": "val", "test": "test"}
_LABELS = ("label", "labels", "class", "fine_label", "category", "target")

_HIDDEN = ("-1",)
"""The label of a split whose labels are kept secret, which is as good as not there."""


class Options(SplitOptions):
    """Which data set, and which of its columns."""

    source: Literal["huggingface"] = "huggingface"
    name: str = Field("ylecun/mnist", min_length=1, description="Name on the Hub, such as `uoft-cs/cifar10`, or what else `datasets` loads.")
    config: str | None = Field(None, description="Configuration of the data set; none: its default.")
    data_dir: str | None = Field(None, description="Folder for `name: imagefolder` and its like, relative to the recipe's file.")
    revision: str | None = Field(None, description="Branch, tag or commit on the Hub; none: the newest.")
    image_column: str | None = Field(None, description="Column of the pictures; none: the first one of pictures.")
    label_column: str | None = Field(None, description="Column of the labels; none: label, labels, class, fine_label ...")


_Options = Options  # inside the source, `Options` is its attribute


class Huggingface(LabelledSource):
    """Pictures of a Hugging Face data set."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    def find(self) -> Found:
        """Loads the data set; raises `DataError` that says what to install or do."""
        package = extra.package("datasets", "datasets", f"data.name: {self.options.name}: reading Hugging Face's data sets")
        content = self._load(package)
        if "train" not in content:
            raise DataError(f"data.name: {self.options.name} has the splits {', '.join(content)}, but no train")
        features = content["train"].features
        image = self._column(
            features, self.options.image_column, [name for name, kind in features.items() if isinstance(kind, package.Image)], "image"
        )
        label = self._column(features, self.options.label_column, [name for name in _LABELS if name in features], "label")
        inner = getattr(features[label], "feature", None)  # of a list of labels
        known = getattr(inner or features[label], "names", None)
        tables = {_SPLITS[name]: table for name, table in content.items() if name in _SPLITS}
        words = {split: _words(table[label], known) for split, table in tables.items()}
        words = {split: members for split, members in words.items() if split == "train" or any(each != _HIDDEN for each in members)}
        names = tuple(known) if known else classes.of_words(word for members in words.values() for each in members for word in each)
        pools = {}
        for split in words:
            table = tables[split]
            rows = [f"{split}/{number}" for number in range(len(table))]
            labels = classes.numbered(words[split], names, rows, several=inner is not None)
            pools[split] = RowSplit(_reader(table.cast_column(image, package.Image(decode=False)), image), rows, labels)
        return Found(pools, names, {"name": self.options.name, "config": self.options.config, "revision": self.options.revision})

    def _load(self, package: Any) -> Any:
        options = self.options
        folder = None if options.data_dir is None else str(self.located(options.data_dir))
        try:
            return package.load_dataset(options.name, options.config, data_dir=folder, revision=options.revision)
        except Exception as error:
            # The network, the Hub and each data set fail in their own ways.
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise DataError(f"data.name: {options.name} could not be loaded ({first}); look the name up, and see that there is a network") from error

    def _column(self, features: Any, given: str | None, guesses: Sequence[str], kind: str) -> str:
        """The column of the pictures or the labels."""
        if given is not None and given not in features:
            raise DataError(f"data.{kind}_column: there is no column {given!r}; there are {', '.join(features)}{did_you_mean(given, features)}")
        if given is None and not guesses:
            raise DataError(f"data.{kind}_column: which column holds the {kind}s? There are {', '.join(features)}")
        return given or guesses[0]


def _words(values: Sequence[Any], known: Sequence[str] | None) -> list[tuple[str, ...]]:
    """The labels of each row as text; numbers of classes with known names become these."""

    def word(value: Any) -> str:
        return known[value] if known and isinstance(value, int) and 0 <= value < len(known) else str(value)

    return [tuple(dict.fromkeys(map(word, value))) if isinstance(value, list | tuple) else (word(value),) for value in values]


def _reader(table: Any, column: str) -> Callable[[int], bytes]:
    """Gives the encoded picture of a row."""

    def read(number: int) -> bytes:
        cell = table[number][column]
        return cell["bytes"] if cell["bytes"] is not None else Path(cell["path"]).read_bytes()

    return read
