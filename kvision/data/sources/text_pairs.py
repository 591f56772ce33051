"""Pairs of texts from a table or JSON lines, such as sentences and their translations: one column is read, the other is to be written.

The split goes by the hash of the text that is read, so that the same one is never in both; a table of its own for validation comes before it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar, Literal
from zlib import crc32

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import tables
from kvision.data.text.pairs import FIELDS, Pair, PairSource
from kvision.data.text.texts import PieceOptions

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.core.schema import SourceOptions
    from kvision.data.source import SplitName


class Options(PieceOptions):
    """Where the pairs stand."""

    source: Literal["text_pairs"] = "text_pairs"
    path: str = Field("pairs.tsv", description="Table (.tsv, .csv) or JSON lines (.jsonl), relative to the recipe's file.")
    val_path: str | None = Field(None, description="The same of the validation pairs; none: a share of `path`.")
    from_column: str | None = Field(None, description="Column that is read; none: `source`, `input` or `from`, or else the first.")
    to_column: str | None = Field(None, description="Column that is to be written; none: `target`, `output` or `to`, or else the second.")
    val_split: float = Field(0.1, gt=0.0, lt=1.0, description="Share of the pairs that is for validation, where `val_path` names none.")


_Options = Options  # inside the source, `Options` is its attribute


class TextPairs(PairSource):
    """Pairs of the user's own."""

    Options: ClassVar[type[SourceOptions]] = Options
    options: _Options

    def pairs(self, name: SplitName) -> dict[str, Pair]:
        """The pairs of a split by name, `file:row`."""
        return self._pairs[name]

    @functools.cached_property
    def _pairs(self) -> dict[SplitName, dict[str, Pair]]:
        """Those of both splits."""
        every = self._read(self.located(self.options.path))
        if self.options.val_path is not None:
            return {"train": every, "val": self._read(self.located(self.options.val_path))}
        held_out = {name for name, (text, _) in every.items() if crc32(text.encode()) / 2**32 < self.options.val_split}
        if not 0 < len(held_out) < len(every):
            raise DataError(
                f"data.val_split: {self.options.val_split:g} of the {len(every)} pairs leaves one split empty; give more pairs, or data.val_path"
            )
        return {
            "train": {name: pair for name, pair in every.items() if name not in held_out},
            "val": {name: pair for name, pair in every.items() if name in held_out},
        }

    def _read(self, file: Path) -> dict[str, Pair]:
        """The pairs of one file."""
        rows = tables.read(file)
        columns = list(rows[0])
        if len(columns) < len(FIELDS):
            raise DataError(f"{file}: has the one column {columns[0]}; a pair needs two, parted by tabs or commas and named in the first line")
        first = tables.column(rows, self.options.from_column, ("source", "input", "from"), "data.from_column", file) or columns[0]
        second = tables.column(rows, self.options.to_column, ("target", "output", "to"), "data.to_column", file) or columns[1]
        return {f"{file.name}:{number}": (str(row[first] or ""), str(row[second] or "")) for number, row in enumerate(rows, start=1)}
