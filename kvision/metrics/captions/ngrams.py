"""How often each run of one to four words comes in a caption, which BLEU and CIDEr-D count alike."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

LONGEST = 4
"""Words of the longest run."""


def count(words: Sequence[Hashable]) -> Counter[tuple[Hashable, ...]]:
    """The n-grams of a caption, n = 1..4, and how often it has each.

    Args:
        words: Words, or the numbers of tokens.

    Returns:
        Counts by n-gram.
    """
    shifted = [words[start:] for start in range(LONGEST)]
    return Counter(chain.from_iterable(zip(*shifted[:n], strict=False) for n in range(1, LONGEST + 1)))
