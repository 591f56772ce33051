"""Generated pairs of texts that need no download: dates in words to write as numbers, or strings to write backwards.

Every pair is a pure function of (`data.seed`, split, number), and no date and no string is in both splits.
"""

from __future__ import annotations

import datetime as dt
import string
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from zlib import crc32

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from kvision.data.text.pairs import Pair, PairSource
from kvision.data.text.texts import PieceOptions

if TYPE_CHECKING:
    from kvision.core.schema import SourceOptions
    from kvision.data.source import SplitName

FORMS = (
    "{day} {month} {year}",
    "{month} {day}, {year}",
    "{weekday}, {day} {month} {year}",
    "{weekday} the {day}{nth} of {month} {year}",
    "{day}.{short}.{year}",
)
"""In how many ways a date is written."""
_FIRST, _DAYS = dt.date(1900, 1, 1), 73_049
_HELD_OUT = 5
"""Of five dates or strings, by their hash, one is for validation."""


class Options(PieceOptions):
    """Which task, and how many pairs."""

    source: Literal["text_tasks"] = "text_tasks"
    task: Literal["dates", "reverse"] = Field("dates", description="`dates`: such as `3 May 1998` to 1998-05-03; `reverse`: letters backwards.")
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the pairs; apart from `train.seed`, so that every run is validated on the same.")
    train_size: int = Field(8000, ge=1, le=10**6, description="Training pairs.")
    val_size: int = Field(1000, ge=1, le=10**6, description="Validation pairs.")
    min_letters: int = Field(4, ge=1, le=100, description="`reverse`: fewest letters of a string.")
    max_letters: int = Field(12, ge=1, le=100, description="`reverse`: most letters of a string.")
    pieces: Literal["word", "byte_pair", "character"] = Field("character", description="What the texts are cut into.")

    @field_validator("max_letters")
    @classmethod
    def _most_is_not_below_fewest(cls, value: int, info: ValidationInfo) -> int:
        fewest = info.data.get("min_letters", 1)
        if value < fewest:
            raise ValueError(f"max_letters={value} is below min_letters={fewest}; use max_letters >= {fewest}, or a smaller min_letters")
        return value


_Options = Options  # inside the source, `Options` is its attribute


class TextTasks(PairSource):
    """Generated pairs."""

    Options: ClassVar[type[SourceOptions]] = Options
    options: _Options

    def pairs(self, name: SplitName) -> dict[str, Pair]:
        """The pairs of a split, drawn, by name."""
        return {f"{self.options.task}/{name}/{number}": pair for number, pair in enumerate(self.drawn(name))}

    def drawn(self, name: SplitName) -> list[Pair]:
        """The pairs of a split."""
        options = self.options
        generator = np.random.default_rng([options.seed, int(name == "val")])
        make = date if options.task == "dates" else lambda generator: backwards(generator, options.min_letters, options.max_letters)
        found: list[Pair] = []
        count = options.train_size if name == "train" else options.val_size
        while len(found) < count:
            pair = make(generator)
            if (crc32(pair[1].encode()) % _HELD_OUT == 0) == (name == "val"):
                found.append(pair)
        return found

    def report(self) -> dict[str, Any]:
        """The task."""
        return {"task": self.options.task}


def date(generator: np.random.Generator) -> Pair:
    """A date from 1900 to 2099 in words, and as ISO 8601 writes it."""
    day = _FIRST + dt.timedelta(days=int(generator.integers(_DAYS)))
    form = FORMS[generator.integers(len(FORMS))]
    nth = "th" if day.day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day.day % 10, "th")
    month = _MONTHS[day.month - 1]
    words = form.format(day=day.day, nth=nth, month=month, short=month[:3], year=day.year, weekday=_WEEKDAYS[day.weekday()])
    return words, day.isoformat()


def backwards(generator: np.random.Generator, fewest: int, most: int) -> Pair:
    """A string of letters drawn at random, and its reverse."""
    letters = "".join(generator.choice(list(string.ascii_lowercase), generator.integers(fewest, most + 1)))
    return letters, letters[::-1]


_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
