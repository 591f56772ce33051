"""Pictures named by a list, with their captions: CSV, TSV, JSON Lines or Parquet.

Several captions of a picture stand in as many rows, or in one row as a list (JSON Lines, Parquet). A column that says the split is respected.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from kvision.core.errors import DataError
from kvision.data import files, lists
from kvision.data.captioned_source import Captioned, CaptionedSource, CaptionOptions, Collected
from kvision.data.lists import ListOptions

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_LISTS = tuple(f"{stem}{suffix}" for stem in ("captions", "metadata") for suffix in (".csv", ".tsv", ".jsonl", ".parquet"))


class Options(CaptionOptions, ListOptions):
    """Which list, and what its columns mean."""

    source: Literal["caption_list"] = "caption_list"
    list: str = Field("captions.csv", description="File of the list, relative to `path`: .csv, .tsv, .jsonl or .parquet; of all or of training.")
    caption_column: str | None = Field(None, description="Column of the captions; none: caption, comment, sentence, text ...")


_Options = Options  # inside the source, `Options` is its attribute


class CaptionList(CaptionedSource):
    """Pictures and captions named by a list."""

    Options: ClassVar[type[DataOptions]] = Options
    options: _Options

    @classmethod
    def recognised(cls, root: Path) -> str | None:
        """The list that a folder holds under one of the usual names."""
        return next((name for name in _LISTS if (root / name).is_file()), None)

    def collect(self) -> Collected:
        """Reads the lists."""
        found: defaultdict[SplitName, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for row, said in lists.read(self.root, self.options, self.options.caption_column, lists.CAPTIONS, "caption"):
            if row.data is not None:
                raise DataError(f"data.list: {self.options.list} holds the pictures themselves; write them as files, and name these in the list")
            found[row.split][row.name] += _sentences(said, row.name)
        if not found["train"]:
            raise DataError(f"data.list: {self.root / self.options.list} names no training picture")
        pools = {split: [self._picture(name, tuple(sentences)) for name, sentences in named.items()] for split, named in found.items()}
        return Collected(pools, facts={"list": self.options.list})

    def _picture(self, name: str, sentences: tuple[str, ...]) -> Captioned:
        file = self.root / name
        return Captioned(files.name_within(file, self.root), file, sentences=sentences)


def _sentences(said: Any, name: str) -> list[str]:
    """The captions in a cell."""
    each = said if isinstance(said, list) else [said]
    if wrong := [one for one in each if not isinstance(one, str | None)]:
        raise DataError(f"{name}: the caption is {wrong[0]!r}; accepted: a text, or a list of texts; see data.caption_column")
    return [one or "" for one in each]
