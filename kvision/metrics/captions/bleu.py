"""BLEU-1 to BLEU-4 of a corpus, from counts that can be summed over captions, batches and hosts.

Paper: Papineni 2002, "BLEU: a method for automatic evaluation of machine translation", ACL.
Deviations: none, and no smoothing: without a single matching 4-gram BLEU-4 is 0, where pycocoevalcap's constants leave about 1e-4.
BLEU is a figure of a corpus; the mean of the BLEU of single sentences is something else.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kvision.metrics.captions import ngrams

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence


def count(words: Sequence[Hashable], references: Sequence[Sequence[Hashable]]) -> dict[str, np.ndarray]:
    """What one caption adds to the sums.

    Args:
        words: The caption.
        references: One or more.

    Returns:
        int64: `bleu_matches` and `bleu_ngrams` `[4]`, n-grams that a reference has too, each at most as often as the reference that has it most,
        and all of the caption's, n = 1..4; `bleu_words` and `bleu_reference_words` `[]`, its length and that of the reference closest to it, of
        two that are as close the shorter.
    """
    most = ngrams.count(references[0])
    for reference in references[1:]:
        most |= ngrams.count(reference)
    matches = np.zeros(ngrams.LONGEST, np.int64)
    for ngram, number in (ngrams.count(words) & most).items():
        matches[len(ngram) - 1] += number
    closest = min((len(reference) for reference in references), key=lambda length: (abs(length - len(words)), length))
    return {
        "bleu_matches": matches,
        "bleu_ngrams": np.maximum(len(words) - np.arange(ngrams.LONGEST), 0),
        "bleu_words": np.array(len(words), np.int64),
        "bleu_reference_words": np.array(closest, np.int64),
    }


def metrics(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
    """BLEU of the corpus.

    Args:
        sums: Sums of what `count` gives.

    Returns:
        `bleu_1` .. `bleu_4`, 0..1.

    References:
        Equation of section 2.3, with equal weights of the n-gram precisions.
    """
    words, reference_words = int(sums["bleu_words"]), int(sums["bleu_reference_words"])
    brevity = math.exp(min(0.0, 1 - reference_words / words)) if words else 0.0
    precisions = [int(matches) / int(total) if total else 0.0 for matches, total in zip(sums["bleu_matches"], sums["bleu_ngrams"], strict=True)]
    return {f"bleu_{n}": brevity * math.prod(precisions[:n]) ** (1 / n) for n in range(1, ngrams.LONGEST + 1)}
