"""METEOR of exact matches is worked by hand, aligns as well as trying everything does, and is that of METEOR 1.5 in Java, or better aligned."""

from __future__ import annotations

import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest

from kvision.metrics.captions import meteor
from tests.unit.metrics.captions import grammar

RECORD = json.loads(Path(__file__).with_name("oracle.json").read_text(encoding="utf-8"))


def score(candidate: str, *references: str) -> float:
    return meteor.metrics(meteor.count(candidate.split(), [reference.split() for reference in references]))["meteor_exact"]


def test_by_hand() -> None:
    assert score("a dog runs", "a dog runs") == 1
    assert score("a b c", "a c b") == pytest.approx(1 - 0.6)  # three pieces of three matches
    assert score("the dog", "the cat") == pytest.approx(0.5 * 0.4)
    precision, recall = 2 / 2, 2 / 4
    mean = 1 / (0.15 / precision + 0.85 / recall)
    assert score("a b", "a b c d") == pytest.approx(mean * (1 - 0.6 * (1 / 2) ** 0.2))
    assert score("", "a dog") == score("cat", "a dog") == 0
    assert score("a b", "x y", "a b c d", "a c d e f") == score("a b", "a b c d"), "the reference that suits best"


def test_repeated_words_are_paired_into_the_fewest_pieces() -> None:
    rng = random.Random(0)
    for _ in range(150):
        words, reference = (rng.choices("aab", k=rng.randint(0, 5)) for _ in range(2))
        assert meteor.align(words, reference) == by_trying(words, reference), (words, reference)


def by_trying(words: list[str], reference: list[str]) -> tuple[int, int]:
    """The best of all one-to-one pairings."""
    best = (0, 0)
    for places in itertools.product([None, *range(len(words))], repeat=len(reference)):
        taken = [place for place in places if place is not None]
        if len(set(taken)) < len(taken) or any(place is not None and words[place] != word for place, word in zip(places, reference, strict=True)):
            continue
        follows = sum(a is not None and b is not None and b == a + 1 for a, b in itertools.pairwise(places))
        best = max(best, (len(taken), follows - len(taken)))
    return best[0], -best[1]


def test_is_that_of_meteor_in_java_or_better_aligned() -> None:
    found = np.array([meteor.metrics(meteor.count(*example))["meteor_exact"] for example in grammar.examples()])
    more = found - RECORD["meteor"]
    assert more.min() > -1e-6
    assert (more > 1e-6).sum() == 5, "captions of 1,000 whose fewest pieces METEOR's search misses"


def test_a_corpus_is_that_of_meteor_in_java() -> None:
    counts = [meteor.count(*example) for example in grammar.distinct(grammar.examples())]
    assert len(counts) > 300
    sums = {name: np.sum([count[name] for count in counts]) for name in counts[0]}
    assert meteor.metrics(sums)["meteor_exact"] == pytest.approx(RECORD["meteor_distinct_corpus"], abs=1e-6)


def test_one_word_many_times_takes_no_time() -> None:
    assert meteor.align(["a"] * 60, ["a"] * 40) == (40, 1)
