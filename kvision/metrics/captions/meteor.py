"""METEOR with exact matches only: harmonic mean of precision and recall of single words, less the more pieces the matches fall into.

Paper: Denkowski 2014, "Meteor universal: language specific translation evaluation for any target language", WMT; alpha 0.85, beta 0.2 and gamma
0.6, those of METEOR 1.5 for English.
Deviations: no stems, synonyms or paraphrases, and words of all kinds weigh the same (delta 0.5), because METEOR's tables are in Java's hands; so
figures do not compare with METEOR's. They are those of `meteor-1.5.jar -l en -m exact -w 1.0 -p "0.85 0.2 0.6 0.5"`, or higher by a hair where
that program's search misses the fewest pieces.
"""

from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

ALPHA, BETA, GAMMA = 0.85, 0.2, 0.6
BEAM = 40
"""Unfinished alignments that are kept, as in METEOR: repeated words can be aligned in many ways."""
_NAMES = ("meteor_matches", "meteor_words", "meteor_reference_words", "meteor_chunks")


def count(words: Sequence[Hashable], references: Sequence[Sequence[Hashable]]) -> dict[str, np.ndarray]:
    """What one caption adds to the sums.

    Args:
        words: The caption.
        references: One or more.

    Returns:
        int64 `[]` each, with the reference that suits the caption best, of several the first: `meteor_matches`, pairs of equal words;
        `meteor_words` and `meteor_reference_words`, the lengths; `meteor_chunks`, the fewest pieces with the same order in both, 0 where the two
        are the same.
    """
    found = []
    for reference in references:
        matches, chunks = align(words, reference)
        whole = chunks == 1 and matches == len(words) == len(reference)
        found.append((matches, len(words), len(reference), 0 if whole else chunks))
    return dict(zip(_NAMES, np.array(max(found, key=lambda each: _score(*each)), np.int64), strict=True))


def metrics(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
    """METEOR of the corpus, or of the captions whose counts these are the sums of.

    Args:
        sums: Sums of what `count` gives.

    Returns:
        `meteor_exact`, 0..1.
    """
    return {"meteor_exact": _score(*(int(sums[name]) for name in _NAMES))}


def align(words: Sequence[Hashable], reference: Sequence[Hashable]) -> tuple[int, int]:
    """Pairs as many equal words as can be, so that they fall into the fewest pieces which both have in the same order.

    Args:
        words: The caption.
        reference: One reference.

    Returns:
        Number of pairs, and of pieces.
    """
    places: dict[Hashable, list[int]] = {}
    for place, word in enumerate(words):
        places.setdefault(word, []).append(place)
    left = Counter(reference)
    beam = {(0, -1): 0}  # places taken, as bits, and the place that would carry on the piece; and pieces so far
    for word in reference:
        left[word] -= 1
        after: dict[tuple[int, int], int] = {}
        for (taken, following), pieces in sorted(beam.items(), key=itemgetter(1))[:BEAM]:
            free = [place for place in places.get(word, ()) if not taken >> place & 1]
            choices = [((taken | 1 << place, place + 1), pieces + (place != following)) for place in free]
            if left[word] >= len(free):  # else leaving the word out would leave a pair out
                choices.append(((taken, -1), pieces))
            for state, number in choices:
                after[state] = min(number, after.get(state, number))
        beam = after
    (taken, _), pieces = min(beam.items(), key=itemgetter(1))
    return taken.bit_count(), pieces


def _score(matches: int, words: int, reference_words: int, chunks: int) -> float:
    if not matches:
        return 0.0
    precision, recall = matches / words, matches / reference_words
    mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
    return mean * (1 - GAMMA * (chunks / matches) ** BETA)
