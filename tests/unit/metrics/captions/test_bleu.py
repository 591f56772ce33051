"""BLEU is that of the paper, worked by hand, and that of pycocoevalcap on 1,000 pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from kvision.metrics.captions import bleu
from tests.unit.metrics.captions import grammar

RECORD = json.loads(Path(__file__).with_name("oracle.json").read_text(encoding="utf-8"))


def score(pairs: list[grammar.Example]) -> dict[str, float]:
    counts = [bleu.count(*pair) for pair in pairs]
    return bleu.metrics({name: np.sum([each[name] for each in counts], axis=0) for name in counts[0]})


def example(candidate: str, *references: str) -> grammar.Example:
    return grammar.Example(candidate.split(), [reference.split() for reference in references])


def test_words_count_at_most_as_often_as_in_one_reference() -> None:
    """Papineni 2002, section 2.1, example 2."""
    papineni = example("the the the the the the the", "the cat is on the mat", "there is a cat on the mat")
    assert score([papineni]) == pytest.approx({"bleu_1": 2 / 7, "bleu_2": 0, "bleu_3": 0, "bleu_4": 0})


def test_short_captions_are_punished_by_the_closest_reference() -> None:
    found = score([example("a cat on a mat", "a cat on a mat with a hat", "a cat on a mat today", "one two three four five six seven")])
    assert found == pytest.approx(dict.fromkeys(found, math.exp(1 - 6 / 5)))
    of_two_the_shorter = bleu.count(*example("a b c", "a b c d", "a b"))
    assert of_two_the_shorter["bleu_reference_words"] == 2


def test_a_corpus_is_its_sums_not_the_mean_of_its_captions() -> None:
    pairs = [example("a b c d e", "a b c d e"), example("x y", "a b c d e f")]
    found = score(pairs)
    brevity = math.exp(1 - 11 / 7)
    assert found["bleu_1"] == pytest.approx(brevity * 5 / 7)
    assert found["bleu_4"] == pytest.approx(brevity * (5 / 7 * 4 / 5 * 3 / 3 * 2 / 2) ** 0.25)


@pytest.mark.parametrize("candidate", ["", "nothing of it"])
def test_without_a_match_it_is_zero(candidate: str) -> None:
    assert score([example(candidate, "a cat")]) == {"bleu_1": 0, "bleu_2": 0, "bleu_3": 0, "bleu_4": 0}


def test_equals_what_pycocoevalcap_said() -> None:
    examples = grammar.examples()
    assert grammar.digest(examples) == RECORD["examples"], "the grammar has changed: run record_oracle.py again"
    assert list(score(examples).values()) == pytest.approx(RECORD["bleu"], abs=1e-6)
    assert 0.2 < RECORD["bleu"][3] < RECORD["bleu"][0] < 0.6, "neither trivial nor hopeless"


@pytest.mark.parametrize("seed", [1, 2])
def test_equals_pycocoevalcap_where_it_is_installed(seed: int) -> None:
    pytest.importorskip("pycocoevalcap")
    from tests.unit.metrics.captions import coco

    examples = grammar.examples(300, seed)
    assert list(score(examples).values()) == pytest.approx(coco.scores(examples)["bleu"], abs=1e-6)
