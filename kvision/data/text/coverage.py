"""How well texts fit a vocabulary and a length: what is unknown, cut or without a word, counted, and said."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvision.core import words
from kvision.data.faults import FAULTS, Fault
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
        seen: How often each piece comes that the vocabulary has.
        length: Most pieces of a text that are kept.
        longest: Most pieces that a text has.
        cut: Texts with more than `length`.
    """

    texts: int
    empty: int
    pieces: int
    unknown: int
    unseen: Counter[str]
    seen: Counter[str]
    length: int
    longest: int
    cut: int

    def findings(self) -> list[str]:
        """The same as `faults`, each in words with what to do."""
        return [f"{fault.message}; {FAULTS[fault.kind].fix}" for fault in self.faults("")]

    def faults(self, where: str) -> list[Fault]:
        """What a person should know; nothing where all is well.

        Args:
            where: What to call the texts.

        Returns:
            A fault of each kind at most, in which they are counted.
        """
        found = []
        if self.empty:
            found.append(Fault("no-word", (where,), f"{self.empty:,} of {words.counted(self.texts, 'text')} hold no word"))
        if self.unknown:
            most = words.listed([f"{piece!r}" for piece, _ in self.unseen.most_common()], 5)
            share = words.percent(self.unknown / self.pieces)
            said = f"{self.unknown:,} of {self.pieces:,} pieces ({share}) are not in the vocabulary: {most}"
            found.append(Fault("unknown-pieces", (where,), said))
        if self.cut:
            longer = f"{self.cut:,} of {words.counted(self.texts, 'text')} are longer than {self.length} pieces and are cut"
            found.append(Fault("cut-text", (where,), f"{longer}, the longest has {self.longest}"))
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
    seen: Counter[str] = Counter()
    for text in texts:
        pieces = vocabulary.split(text)
        lengths[len(pieces)] += 1
        seen.update(pieces)
    unseen = Counter({piece: count for piece, count in seen.items() if piece not in known})
    return Coverage(
        texts=lengths.total(),
        empty=lengths[0],
        pieces=sum(each * count for each, count in lengths.items()),
        unknown=unseen.total(),
        unseen=unseen,
        seen=seen - unseen,
        length=length,
        longest=max(lengths, default=0),
        cut=sum(count for each, count in lengths.items() if each > length),
    )
