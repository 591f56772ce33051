"""All figures of a data set from sentences, and what is said where the references do not do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kvision.core.errors import DataError
from kvision.metrics.captions.corpus import Corpus
from tests.unit.metrics.captions import grammar


def test_the_figures_are_those_of_each_metric_on_the_words() -> None:
    corpus = Corpus([["The red dog sits.", "a dog"], ["A cat (asleep)!"]])
    assert corpus.references == [[["the", "red", "dog", "sits"], ["a", "dog"]], [["a", "cat", "-lrb-", "asleep", "-rrb-"]]]
    scores = corpus.score(["The red, red dog sits", ""])
    brevity = math.exp(1 - (4 + 5) / 5)
    assert scores.metrics["bleu_1"] == pytest.approx(brevity * 4 / 5)
    assert scores.metrics["bleu_2"] == pytest.approx(brevity * math.sqrt(4 / 5 * 3 / 4))
    np.testing.assert_allclose(scores.examples["rouge_l"], [(1 + 1.44) * 0.8 * 1 / (1 + 1.44 * 0.8), 0])
    assert scores.metrics["rouge_l"] == pytest.approx(scores.examples["rouge_l"].mean())
    assert scores.metrics["cider_d"] == pytest.approx(scores.examples["cider_d"].mean())
    assert set(scores.metrics) == {"bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "meteor_exact", "cider_d"}


def test_references_as_captions_are_best_and_a_constant_caption_is_worse() -> None:
    examples = grammar.examples(60)
    references = [[" ".join(words) for words in example.references] for example in examples]
    corpus = Corpus(references)
    best = corpus.score([each[0] for each in references]).metrics
    constant = corpus.score([references[0][0]] * len(references)).metrics
    assert best["bleu_4"] == pytest.approx(1)
    assert best["rouge_l"] == pytest.approx(1)
    assert all(constant[name] < best[name] / 2 for name in best if name != "bleu_1")


def test_what_has_no_reference_is_said() -> None:
    with pytest.raises(DataError, match=r"examples 1, 2 of 3 have no reference caption with a word in it"):
        Corpus([["a dog"], [], ["..."]])
    with pytest.raises(DataError, match=r"there are no examples"):
        Corpus([])
    with pytest.raises(DataError, match=r"got 1 captions for 2 examples"):
        Corpus([["a dog"], ["a cat"]]).score(["a dog"])
