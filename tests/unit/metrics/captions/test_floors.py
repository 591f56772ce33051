"""What those say who do not look: measured against all training captions, and drawn from them."""

from __future__ import annotations

import itertools

import pytest

from kvision.metrics.captions import bleu, floors
from tests.unit.metrics.captions import grammar

REFERENCES = [[" ".join(words) for words in example.references] for example in grammar.examples(40)]


def test_the_constant_caption_has_the_highest_bleu_of_all() -> None:
    few = [[sentence.split() for sentence in sentences] for sentences in REFERENCES[:12]]
    scores = {}
    for words in itertools.chain.from_iterable(few):
        counts = [bleu.count(words, references) for references in few]
        scores[" ".join(words)] = bleu.metrics({name: sum(count[name] for count in counts) for name in counts[0]})["bleu_4"]
    assert scores[floors.constant(REFERENCES[:12])] == pytest.approx(max(scores.values()))
    assert min(scores.values()) < 0.8 * max(scores.values())


def test_short_captions_do_not_count() -> None:
    assert floors.constant([["a dog"], ["a big dog runs", "dog"]]) == "a big dog runs"


def test_the_blind_draw_from_the_training_captions() -> None:
    said = floors.blind(REFERENCES, 200, seed=0)
    assert set(said) <= {sentence for each in REFERENCES for sentence in each}
    assert len(set(said)) > 60
    assert said == floors.blind(REFERENCES, 200, seed=0) != floors.blind(REFERENCES, 200, seed=1)
