"""Lists of pictures: which files they are, what their columns mean, and which split a row is of."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field

from kvision.core.errors import DataError
from kvision.core.schema import DataOptions
from kvision.data import tables
from kvision.data.headers import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kvision.data.source import SplitName

IMAGES = ("image", "path", "file", "filename", "file_name", "filepath", "image_path", "image_name", "img")
CAPTIONS = ("caption", "captions", "comment", "comments", "sentence", "sentences", "text", "description")
"""What columns of captions are called, in lower case, the likeliest first; `IMAGES` likewise."""
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


class ListOptions(DataOptions):
    """Which lists, and where in them pictures and splits stand."""

    list: str = Field("labels.csv", description="File of the list, relative to `path`: .csv, .tsv, .jsonl or .parquet; of all or of training.")
    val_list: str | None = Field(None, description="List of the validation pictures, likewise; none: by the column of the split, or by `val_split`.")
    test_list: str | None = Field(None, description="List of the test pictures, likewise; none: by the column of the split, or by `test_split`.")
    image_column: str | None = Field(None, description="Column of the pictures' files, relative to `path`; none: image, path, file, filename ...")
    split_column: str | None = Field(None, description="Column that says train, val or test; none: split, set, subset, partition if there is one.")
    columns: tuple[str, ...] | None = Field(
        None, description="Names of the columns of a CSV list without a line of names, such as [image, label]; none: its first line names them."
    )
    suffix: str = Field("", description="Ending to add to the pictures' names where the list leaves it out, such as .jpg.")


class Row(NamedTuple):
    """A picture of a list: its split, its name, and the encoded picture itself if the list holds it."""

    split: SplitName
    name: str
    data: bytes | None


def read(root: Path, options: ListOptions, given: str | None, guesses: Sequence[str], kind: str) -> Iterator[tuple[Row, Any]]:
    """Reads all lists that are given.

    Args:
        root: The data set's folder.
        options: Which ones.
        given: The column of what is said of the pictures, as the recipe has it.
        guesses: Names to look for otherwise.
        kind: What it holds, such as `label`; the recipe's key is that with `_column` behind.

    Yields:
        Of each row in order the picture and what is said of it.

    Raises:
        DataError: If a list can't be read, or has no such columns; names the file.
    """
    named: dict[SplitName, str | None] = {"train": options.list, "val": options.val_list, "test": options.test_list}
    for split, name in named.items():
        if name is None:
            continue
        file = root / name
        rows = tables.read(file, options.columns)
        image, said = _column(rows, options.image_column, IMAGES, "image", file), _column(rows, given, guesses, kind, file)
        where = tables.column(rows, options.split_column, _SPLIT, "data.split_column", file) if split == "train" else None
        for number, row in enumerate(rows):
            picture, data = _picture(row[image], f"{file.name}/{number}", options.suffix)
            yield Row(_split_word(row[where], file) if where else split, picture, data), row[said]


def _column(rows: Sequence[tables.Row], given: str | None, guesses: Sequence[str], kind: str, file: Path) -> str:
    found = tables.column(rows, given, guesses, f"data.{kind}_column", file)
    if found is None:
        hint = f"say it by data.{kind}_column"
        if any(Path(name).suffix.lower() in SUFFIXES for name in rows[0]):
            hint = f"its first row is an image, not the columns' names: write those above it, `{kind}` among them"
        raise DataError(f"{file}: which column holds the {kind}s? It has {', '.join(rows[0])}; {hint}")
    return found


def _picture(value: Any, otherwise: str, suffix: str) -> tuple[str, bytes | None]:
    """Name and, if the list holds it, encoded picture."""
    if isinstance(value, dict):
        return value.get("path") or otherwise, value.get("bytes")
    if isinstance(value, bytes):
        return otherwise, value
    return Path(f"{value}{suffix}").as_posix(), None


def _split_word(value: Any, file: Path) -> SplitName:
    word = str(value).strip().lower()
    if word not in _SPLIT_WORDS:
        raise DataError(f"{file}: the split {value!r} is none of {', '.join(_SPLIT_WORDS)}; mend the list, or name the column by data.split_column")
    return _SPLIT_WORDS[word]
