"""Learns a vocabulary from training texts: the same texts in any order give the same vocabulary."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from kvision.core.errors import DataError
from kvision.core.names import did_you_mean
from kvision.data.text import byte_pairs
from kvision.data.text.byte_pairs import BytePairs
from kvision.data.text.stored import KINDS
from kvision.data.text.vocabulary import SPECIAL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.text.vocabulary import Vocabulary


def learn(texts: Sequence[str], kind: str, *, min_count: int = 1, size: int | None = None, lower: bool = True) -> Vocabulary:
    """A vocabulary of what comes often enough in the texts, by count, and by alphabet where counts are the same; byte pairs as they were learned.

    Args:
        texts: Training texts only: what the validation texts say is not to be known.
        kind: `word`, `character` or `byte_pair`.
        min_count: How often a piece comes at least; of byte pairs, how often a pair does.
        size: Most numbers of the vocabulary, the four special ones among them; none: no limit, for byte pairs 4,096.
        lower: Whether texts are brought to lower case.

    Returns:
        The vocabulary.

    Raises:
        DataError: If the kind is unknown, the texts hold nothing, nothing in them comes often enough, or the size is too small.
    """
    if kind not in KINDS:
        raise DataError(f"a vocabulary of kind {kind!r} is not known, expected {', '.join(KINDS)}{did_you_mean(kind, KINDS)}")
    fewest = byte_pairs.FEWEST if kind == BytePairs.kind else len(SPECIAL) + 1
    if size is not None and size < fewest:
        raise DataError(f"a {kind} vocabulary of size {size} is too small: it needs {len(SPECIAL)} special numbers and more; use {fewest} or more")
    if not any(text.strip() for text in texts):
        raise DataError(f"none of the {len(texts)} training texts has a word in it; check the caption file, and which split is the training one")
    if kind == BytePairs.kind:
        return byte_pairs.learn(texts, size or 4096, min_count, lower=lower)
    made = KINDS[kind]
    counts = Counter(chain.from_iterable(map(made([], lower=lower).split, texts)))
    ranked = sorted((piece for piece, count in counts.items() if count >= min_count), key=lambda piece: (-counts[piece], piece))
    if not ranked:
        most = max(counts.values(), default=0)
        raise DataError(f"no {kind} comes {min_count} times in the {len(texts)} training texts, at most {most} times; lower the minimum count")
    return made(ranked[: None if size is None else size - len(SPECIAL)], lower=lower)
