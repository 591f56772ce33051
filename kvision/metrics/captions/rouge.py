"""ROUGE-L of a caption, from the longest common subsequence with each reference.

Paper: Lin 2004, "ROUGE: a package for automatic evaluation of summaries", ACL workshop, section 3, as the COCO captions' evaluation has it:
precision and recall are each the best over the references, and beta is 1.2. A corpus has the mean over its captions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

BETA = 1.2
"""How much more recall counts than precision."""


def score(words: Sequence[Hashable], references: Sequence[Sequence[Hashable]]) -> float:
    """ROUGE-L of one caption, 0..1; a caption without words has 0.

    Args:
        words: The caption.
        references: One or more.

    Returns:
        F of the best precision and the best recall.

    References:
        Equation 4.
    """
    common = [common_length(words, reference) for reference in references]
    if not any(common):
        return 0.0
    precision = max(common) / len(words)
    recall = max(length / len(reference) for length, reference in zip(common, references, strict=True) if length)
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def common_length(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Length of the longest common subsequence, all of a column of the table at once as the bits of a number.

    Args:
        first: A sequence.
        second: Another.

    Returns:
        The length.

    References:
        Hyyrö 2004, "Bit-parallel LCS-length computation revisited", figure 3.
    """
    places: dict[Hashable, int] = {}
    for place, word in enumerate(second):
        places[word] = places.get(word, 0) | 1 << place
    whole = (1 << len(second)) - 1
    column = whole  # a bit is 0 where the length grows by one
    for word in first:
        same = column & places.get(word, 0)
        column = (column + same) | (column - same)
    return (~column & whole).bit_count()
