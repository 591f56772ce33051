"""The texts of a data set: the sentences of its training examples, and the vocabulary that is learnt from these alone."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from kvision.core.errors import DataError
from kvision.core.schema import DataOptions, SourceOptions
from kvision.data.text.vocabulary import PAD

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kvision.data.source import DataInfo
    from kvision.data.text.vocabulary import Vocabulary

SHARE_WHOLE = 0.99
"""Of the training texts that `max_length` keeps whole where it stands open."""


class PieceOptions(SourceOptions):
    """What a source of texts lets one choose of the numbers that they become."""

    pieces: Literal["word", "byte_pair", "character"] = Field("word", description="What the texts are cut into.")
    lower: bool = Field(True, description="Bring the texts to lower case.")
    min_count: int = Field(1, ge=1, le=10**6, description="How often a piece must come in the training texts to have a number of its own.")
    vocabulary_size: int | None = Field(
        None, ge=5, le=10**6, description="Most numbers of the vocabulary, the four special ones among them; none: no limit, for byte pairs 4,096."
    )
    max_length: int | None = Field(
        None, ge=1, le=4096, description="Most pieces of a text, longer ones are cut; none: so many that 99 % of the training texts are whole."
    )


class TextOptions(PieceOptions, DataOptions):
    """The same where texts belong to pictures."""

    references: int = Field(5, ge=1, le=100, description="Texts of an example that are trained on in one step; of more, others each epoch.")
    buckets: int = Field(
        1, ge=1, le=64, description="Groups of texts of similar length; a batch is of one of them, and is as long as its longest text only."
    )


@dataclass(frozen=True)
class Kept:
    """What a run has kept of the texts that it was trained on: all but these themselves.

    Attributes:
        vocabulary: As it stands in `vocabulary.json`.
        length: L, the most pieces of a text.
        nouns: As `Texts.nouns`.
    """

    vocabulary: Vocabulary
    length: int
    nouns: tuple[str, ...] = ()


class Texts:
    """What is known of the texts of a data set; made when it is first asked for.

    Args:
        training: Gives the sentences of each training example.
        options: How they become numbers.
        nouns: What the things are called that sentences speak of, where it is known what each picture shows.
        kept: What a run has kept; its vocabulary and length are used instead of others learnt from these texts.
    """

    def __init__(
        self, training: Callable[[], Sequence[Sequence[str]]], options: PieceOptions, nouns: Sequence[str] = (), kept: Kept | None = None
    ) -> None:
        self._training = training
        self._options = options
        self._kept = kept
        self.nouns = tuple(nouns)

    @functools.cached_property
    def training(self) -> Sequence[Sequence[str]]:
        """The sentences of each training example; none in what a run has kept."""
        return self._training()

    @functools.cached_property
    def vocabulary(self) -> Vocabulary:
        """Learnt from the training texts; raises `DataError` if these hold too little for it."""
        if self._kept is not None:
            return self._kept.vocabulary
        from kvision.data.text import learning

        options = self._options
        return learning.learn(self._sentences, options.pieces, min_count=options.min_count, size=options.vocabulary_size, lower=options.lower)

    @functools.cached_property
    def length(self) -> int:
        """L, the most pieces of a text."""
        if self._kept is not None:
            return self._kept.length
        if self._options.max_length is not None:
            return self._options.max_length
        lengths = [len(self.vocabulary.encode(text)) for text in self._sentences]
        return max(1, int(np.quantile(lengths, SHARE_WHOLE, method="inverted_cdf")))

    def rows(self, sentences: Sequence[Sequence[str]], most: int) -> np.ndarray:
        """Sentences as numbers.

        Args:
            sentences: Of each of N examples.
            most: R, the most sentences of an example.

        Returns:
            int32 `[N, R, L + 2]`: start, text, end, padding; of an example with fewer sentences the last rows are padding.
        """
        found = np.zeros([len(sentences), most, self.length + 2], np.int32)
        for rows, each in zip(found, sentences, strict=True):
            rows[: len(each)] = self.vocabulary.rows(each[:most], self.length)
        return found

    def to_json(self) -> dict[str, Any]:
        """What a run keeps beside `vocabulary.json`."""
        return {"length": self.length, "nouns": list(self.nouns)}

    @property
    def _sentences(self) -> list[str]:
        return [sentence for each in self.training for sentence in each]


def lengths(rows: np.ndarray) -> np.ndarray:
    """How long the longest text of each example is.

    Args:
        rows: int32 `[N, R, L + 2]`, as `Texts.rows` gives them.

    Returns:
        int32 `[N]`, start and end included.
    """
    return (rows != PAD).sum(-1, dtype=np.int32).max(-1)


def required(info: DataInfo, source: str) -> Texts:
    """The texts of a data set, for systems that need them; raises `DataError` if `source` has none."""
    if info.texts is None:
        raise DataError(f"data.source: {source} has no texts; it gives {', '.join(sorted(info.fields))}; use a source of texts")
    return info.texts
