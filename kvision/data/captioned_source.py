"""What all sources of pictures with sentences have in common: they find them, this makes splits, numbers, facts and the report of them."""

from __future__ import annotations

import abc
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kvision.core import words
from kvision.core.errors import DataError
from kvision.data import faults, files
from kvision.data.captioned_split import CaptionedSplit
from kvision.data.divided_source import DividedSource
from kvision.data.encoded_split import FileSplit
from kvision.data.faults import Fault
from kvision.data.file_source import FolderOptions, Picture, readable
from kvision.data.source import DataInfo
from kvision.data.splits import ShareOptions
from kvision.data.text.stored import KINDS
from kvision.data.text.summary import Summary, summary
from kvision.data.text.texts import TextOptions, Texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kvision.core.schema import DataOptions
    from kvision.data.source import SplitName

_FIELDS = frozenset({"image", "captions", "tokens"})
_NAMED = 3


class CaptionOptions(ShareOptions, FolderOptions, TextOptions):
    """Where the pictures lie, how they are split, and what numbers are made of their sentences."""


_Options = CaptionOptions


@dataclass(frozen=True)
class Captioned(Picture):
    """One picture with its sentences, as they stand in the data."""

    sentences: tuple[str, ...] = ()


@dataclass
class Collected:
    """What a data set's folders and files say there is.

    Attributes:
        pools: The pictures that are called `train`, and perhaps `val` and `test`; those without a sentence too.
        faults: What is wrong so far.
        facts: What else data.json should keep.
    """

    pools: Mapping[SplitName, Sequence[Captioned]]
    faults: list[Fault] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


class CaptionedSource(DividedSource[CaptionedSplit]):
    """A data set of pictures with sentences; a source says by `collect` which there are."""

    Options: ClassVar[type[DataOptions]] = CaptionOptions
    options: _Options

    @abc.abstractmethod
    def collect(self) -> Collected:
        """Looks for pictures and sentences, not into pictures; raises `DataError` when there is nothing to look at."""

    @cached_property
    def root(self) -> Path:
        """The data set's folder."""
        return files.folder(self.located(self.options.path), "data.path")

    @cached_property
    def info(self) -> DataInfo:
        """Texts, and no classes."""
        return DataInfo((), (), _FIELDS, self._texts)

    @cached_property
    def _texts(self) -> Texts:
        return Texts(lambda: self.split("train").captions, self.options, kept=self.kept)

    @cached_property
    def summary(self) -> Summary:
        """How well the sentences of all splits fit vocabulary and length; raises `DataError` as `pools` does."""
        return summary(self._texts, self.splits)

    @cached_property
    def collected(self) -> Collected:
        """What `collect` found, without pictures and sentences that can't be used; what is wrong with those is among the faults."""
        collected = self.collect()
        pools: dict[SplitName, Sequence[Captioned]] = {}
        for split, pictures in collected.pools.items():
            usable, wrong = readable(pictures, self.options.max_pixels)
            collected.faults += wrong
            pools[split] = self._captioned(usable, collected.faults)
        collected.pools = pools
        return collected

    @cached_property
    def pools(self) -> Mapping[SplitName, CaptionedSplit]:
        """The pictures that can be used; raises `DataError` that names the faulty files when `on_error` is `stop`, or when none is left."""
        collected = self.collected
        self.left_out  # noqa: B018 - raises
        for split, pictures in collected.pools.items():
            if not pictures:
                some = "; ".join(str(fault) for fault in collected.faults[:_NAMED])
                raise DataError(f"{self.root}: nothing is left for {split}: {some or 'no picture'}; see `kvision data check`")
        return {split: self._split_of(pictures) for split, pictures in collected.pools.items()}

    @cached_property
    def left_out(self) -> list[Fault]:
        """The faults for which pictures were left out; raises `DataError` that names them when `on_error` is `stop`."""
        return faults.stopping(self.collected.faults, self.options.on_error, self.root)

    def report(self) -> dict[str, Any]:
        """How the splits were made, how many sentences their pictures have, which they are, and what is worth a warning."""
        return {
            "split": self.rule(),
            "references": {name: references(split.captions) for name, split in self.splits.items()},
            "folder": str(self.root),
            **self.collected.facts,
            "files": {name: split.listing() for name, split in self.splits.items()},
            "left_out": faults.left_out(self.left_out),
            "warnings": faults.warnings(self.collected.faults),
        }

    def _captioned(self, pictures: Sequence[Captioned], found: list[Fault]) -> list[Captioned]:
        """Those that have a sentence, which are freed of white space and of empty ones."""
        normal = KINDS[self.options.pieces]([]).normal
        kept = []
        for one in pictures:
            sentences = [" ".join(sentence.split()) for sentence in one.sentences]
            full = tuple(text for text in sentences if any(map(str.isalnum, text)) or normal(text).strip())
            if empty := len(sentences) - len(full):
                found.append(Fault("empty-caption", (one.name,), f"{empty} of its {words.counted(len(sentences), 'caption')} without a word"))
            if not full:
                found.append(Fault("no-caption", (one.name,), "has no caption"))
                continue
            if len(full) == 1:
                found.append(Fault("one-reference", (one.name,), "has one caption only"))
            kept.append(replace(one, sentences=full))
        return kept

    def _split_of(self, pictures: Sequence[Captioned]) -> CaptionedSplit:
        names = [picture.name for picture in pictures]
        turns = np.array([picture.orientation for picture in pictures], np.int32)
        split = FileSplit([picture.file for picture in pictures], names, np.zeros(len(names), np.int32), turns)
        return CaptionedSplit(split, [picture.sentences for picture in pictures], self._texts)


def references(captions: Sequence[Sequence[str]]) -> dict[str, int]:
    """How many sentences there are, and fewest and most of a picture."""
    counts = [len(each) for each in captions]
    return {"captions": sum(counts), "fewest": min(counts), "most": max(counts)}
