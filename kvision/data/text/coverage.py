"""How well texts fit a vocabulary and a length: what is unknown, cut or empty, counted, and said in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvision.core import words
from kvision.data.text.vocabulary import SPECIAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kvision.data.text.vocabulary import Vocabulary


@dataclass(frozen=True)
class Coverage:
    """Counts over texts.

    Attributes:
        texts: How many there are.
        empty: Those without a piece.
        pieces: Of all texts.
        unknown: Pieces that the vocabulary does not have.
        unseen: How often each of these comes.
        length: Most pieces of a text that are kept.
        longest: Most pieces that a text has.
        cut: Texts with more than `length`.
    """

    texts: int
    empty: int
    pieces: int
    unknown: int
    unseen: Counter[str]
    length: int
    longest: int
    cut: int

    def findings(self) -> list[str]:
        """What a person should know, each with what to do; nothing where all is well."""
        found = []
        if self.empty:
            found.append(f"{self.empty:,} of {words.counted(self.texts, 'text')} are empty: no word is left of them; mend or remove them")
        if self.unknown:
            most = words.listed([f"{piece!r}" for piece, _ in self.unseen.most_common()], 5)
            share = words.percent(self.unknown / self.pieces)
            found.append(
                f"{self.unknown:,} of {self.pieces:,} pieces ({share}) are not in the vocabulary: {most}; "
                "lower the minimum count, or use characters or byte pairs"
            )
        if self.cut:
            found.append(
                f"{self.cut:,} of {words.counted(self.texts, 'text')} are longer than {self.length} pieces and are cut, the longest has "
                f"{self.longest}; raise the maximum length to {self.longest} to keep them whole"
            )
        return found


def measure(vocabulary: Vocabulary, texts: Iterable[str], length: int) -> Coverage:
    """Counts how texts fit.

    Args:
        vocabulary: What they are split by.
        texts: The texts, of training or validation.
        length: Most pieces of a text that are kept.

    Returns:
        The counts.
    """
    known = set(vocabulary.tokens[len(SPECIAL) :])
    lengths: Counter[int] = Counter()
    unseen: Counter[str] = Counter()
    for text in texts:
        pieces = vocabulary.split(text)
        lengths[len(pieces)] += 1
        unseen.update(piece for piece in pieces if piece not in known)
    return Coverage(
        texts=lengths.total(),
        empty=lengths[0],
        pieces=sum(each * count for each, count in lengths.items()),
        unknown=unseen.total(),
        unseen=unseen,
        length=length,
        longest=max(lengths, default=0),
        cut=sum(count for each, count in lengths.items() if each > length),
    )
