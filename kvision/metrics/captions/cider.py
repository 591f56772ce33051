"""CIDEr-D: how much of what tells a picture from the others its caption shares with the references.

Paper: Vedantam 2015, "CIDEr: consensus-based image description evaluation", arXiv 1411.5726, "Gameability and evaluation server".
Deviations: none from the COCO captions' evaluation, to whose figures these are equal; n-grams that no reference has weigh as those of one example.

How much a word tells comes from the references of all examples (inverse document frequency), so the figure needs a whole data set: with one
example it is always 0, with few it means little, and figures of different data sets do not compare.
"""

from __future__ import annotations

import functools
import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from kvision.metrics.captions import ngrams

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    NGram = tuple[Hashable, ...]

SIGMA = 6.0
"""Standard deviation of the Gaussian by which another length counts less, words."""
SCALE = 10.0


class _Vectors(NamedTuple):
    """The references of one example, by n-gram.

    Attributes:
        found: The references that have an n-gram: 4 k + n - 1 for reference k, the n-gram's weight in it, and that weight as part of a unit vector.
        lengths: Words of each reference.
    """

    found: dict[NGram, list[tuple[int, float, float]]]
    lengths: list[int]


class Cider:
    """Scores captions against the references of a corpus, many candidates of the same examples fast.

    Words can be of any kind that can be counted: text, or the numbers of tokens. Self-critical training should give the end of the sentence as
    the last word of captions and references alike, or it learns sentences that break off.

    Args:
        references: One or more of each example, each a sequence of words.
        kept: Most examples whose references are kept as vectors, about 40 kB each; those used last.
    """

    def __init__(self, references: Sequence[Sequence[Sequence[Hashable]]], kept: int = 10_000) -> None:
        frequency: Counter[NGram] = Counter()
        for each in references:
            frequency.update({ngram for reference in each for ngram in ngrams.count(reference)})
        self._references = references
        self._rarest = math.log(len(references)) if references else 0.0
        # What one example has weighs as what none has, so it need not be kept: most of the n-grams of a corpus.
        self._weights = {ngram: self._rarest - math.log(number) for ngram, number in frequency.items() if number > 1}
        self._vectors = functools.lru_cache(kept)(self._of_example)

    def score(self, words: Sequence[Hashable], example: int) -> float:
        """CIDEr-D of one caption, 0..10: the mean over the references and n = 1..4.

        Args:
            words: The caption.
            example: Number of the example whose references it is held against.

        Returns:
            The score; of a corpus it is the mean over its captions.
        """
        vectors = self._vectors(example)
        products = [0.0] * (ngrams.LONGEST * len(vectors.lengths))
        squares = [0.0] * ngrams.LONGEST
        for ngram, number in ngrams.count(words).items():
            weight = number * self._weights.get(ngram, self._rarest)
            squares[len(ngram) - 1] += weight * weight
            for place, most, share in vectors.found.get(ngram, ()):
                products[place] += min(weight, most) * share
        scales = [1 / math.sqrt(square) if square else 0.0 for square in squares]
        total = 0.0
        for k, length in enumerate(vectors.lengths):
            cosines = sum(map(float.__mul__, scales, products[ngrams.LONGEST * k : ngrams.LONGEST * (k + 1)]))
            total += cosines * math.exp(-((len(words) - length) ** 2) / (2 * SIGMA**2))
        return SCALE * total / len(products)

    def _of_example(self, example: int) -> _Vectors:
        references = self._references[example]
        found = defaultdict(list)
        for k, reference in enumerate(references):
            weights = {ngram: number * self._weights.get(ngram, self._rarest) for ngram, number in ngrams.count(reference).items()}
            squares = [0.0] * ngrams.LONGEST
            for ngram, weight in weights.items():
                squares[len(ngram) - 1] += weight * weight
            for ngram, weight in weights.items():
                if weight:
                    n = len(ngram) - 1
                    found[ngram].append((ngrams.LONGEST * k + n, weight, weight / math.sqrt(squares[n])))
        return _Vectors(dict(found), [len(reference) for reference in references])
