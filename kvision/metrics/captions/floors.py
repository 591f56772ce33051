"""Captions by those who never see the picture: what any figure of captions has to be held against."""

from __future__ import annotations

import math
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from kvision.metrics.captions import ngrams, ptb

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

_Ngram = tuple[tuple["Hashable", ...], int]
"""An n-gram and which of its occurrences in the sentence it is, so that a word that comes twice has to be matched twice."""


def blind(references: Sequence[Sequence[str]], number: int, *, seed: int) -> list[str]:
    """Grammatical captions of nothing in particular: what a perfect language model would say with its eyes shut.

    Args:
        references: The captions of each training picture.
        number: How many to give.
        seed: Chooses them.

    Returns:
        Training captions, each drawn from all of them at random.
    """
    sentences = list(chain.from_iterable(references))
    return [sentences[k] for k in np.random.default_rng(seed).integers(len(sentences), size=number).tolist()]


def constant(references: Sequence[Sequence[str]]) -> str:
    """The one caption that fits all pictures best: that of the training captions which has the highest BLEU-4 over all training pictures.

    Args:
        references: The captions of each training picture.

    Returns:
        One of them; of several that are as good the first.
    """
    tokens = {sentence: ptb.tokenize(sentence) for sentence in chain.from_iterable(references)}
    shown: Counter[_Ngram] = Counter()  # in how many pictures' references
    for sentences in references:
        shown.update(set().union(*(_numbered(tokens[sentence]) for sentence in sentences)))
    lengths = [sorted({len(tokens[sentence]) for sentence in sentences}) for sentences in references]
    closest = {length: _closest(length, lengths) for length in {len(words) for words in tokens.values()}}

    def bleu_4(sentence: str) -> float:
        words = tokens[sentence]
        if len(words) < ngrams.LONGEST:
            return 0.0
        matches = [0.0] * ngrams.LONGEST
        for ngram, occurrence in _numbered(words):
            matches[len(ngram) - 1] += shown[ngram, occurrence] / len(references)
        precisions = [match / (len(words) - n) for n, match in enumerate(matches)]
        return math.exp(min(0.0, 1 - closest[len(words)] / len(words))) * math.prod(precisions) ** (1 / ngrams.LONGEST)

    return max(tokens, key=bleu_4)


def _closest(length: int, lengths: Sequence[Sequence[int]]) -> float:
    """Mean length of the references that are closest in it, of two as close the shorter; `lengths` of each picture ascend."""
    return float(np.mean([min(each, key=lambda other: abs(other - length)) for each in lengths]))


def _numbered(words: Sequence[str]) -> set[_Ngram]:
    return {(ngram, k) for ngram, number in ngrams.count(words).items() for k in range(number)}
