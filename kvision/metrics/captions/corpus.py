"""All figures of the captions of a data set at once, from sentences as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kvision.core import words as wording
from kvision.core.errors import DataError
from kvision.metrics.captions import bleu, meteor, ptb, rouge
from kvision.metrics.captions.cider import Cider

if TYPE_CHECKING:
    from collections.abc import Sequence


class Scores(NamedTuple):
    """What is said of the captions of a data set.

    Attributes:
        metrics: `bleu_1` .. `bleu_4`, `rouge_l`, `meteor_exact`, all 0..1, and `cider_d`, 0..10.
        examples: `rouge_l` and `cider_d` of each caption `[N]`, for the report to choose those worth a look.
    """

    metrics: dict[str, float]
    examples: dict[str, np.ndarray]


class Corpus:
    """The references of a data set, made ready once to score captions as often as need be.

    Args:
        references: One or more sentences of each of N examples.

    Attributes:
        references: Their words.

    Raises:
        DataError: If an example has no reference with a word in it.
    """

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        self.references = [[ptb.tokenize(sentence) for sentence in each] for each in references]
        bare = [k for k, each in enumerate(self.references) if not any(each)]
        if bare or not self.references:
            where = f"examples {wording.listed(bare, 5)} of {len(references)} have" if bare else "there are no examples, so there is"
            raise DataError(f"{where} no reference caption with a word in it; give each picture at least one sentence, or leave the picture out")
        self._cider = Cider(self.references)

    def score(self, captions: Sequence[str]) -> Scores:
        """Figures of one caption for each example.

        Args:
            captions: N sentences, in the order of the references; empty ones count as wrong.

        Returns:
            The figures of the whole, and of each caption.

        Raises:
            DataError: If there are not as many captions as examples.
        """
        if len(captions) != len(self.references):
            raise DataError(f"got {len(captions)} captions for {len(self.references)} examples with references; give one for each, in their order")
        found = [ptb.tokenize(caption) for caption in captions]
        sums: dict[str, np.ndarray] = {}
        for words, references in zip(found, self.references, strict=True):
            for name, value in (bleu.count(words, references) | meteor.count(words, references)).items():
                sums[name] = sums.get(name, 0) + value
        examples = {
            "rouge_l": np.array([rouge.score(words, references) for words, references in zip(found, self.references, strict=True)]),
            "cider_d": np.array([self._cider.score(words, k) for k, words in enumerate(found)]),
        }
        means = {name: float(values.mean()) for name, values in examples.items()}
        return Scores({**bleu.metrics(sums), **means, **meteor.metrics(sums)}, examples)
