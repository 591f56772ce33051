"""CIDEr-D is worked by hand and that of pycocoevalcap on 1,000 pictures, and the references come ready to score many candidates."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from kvision.metrics.captions.cider import Cider
from tests.unit.metrics.captions import grammar

RECORD = json.loads(Path(__file__).with_name("oracle.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def two() -> Cider:
    """Two pictures; `the` is said of both, so it tells nothing."""
    return Cider([[["the", "a", "b"]], [["the", "c", "d"], ["the", "c"]]])


@pytest.mark.parametrize(
    ("caption", "cosines", "words"),
    [
        ("the a b", [1, 1, 1, 0], 3),
        ("a b", [1, 1 / math.sqrt(2), 0, 0], 2),  # of the bigrams `the a` and `a b`
        ("a", [1 / math.sqrt(2), 0, 0, 0], 1),
        ("a a a", [1 / math.sqrt(2) / 3, 0, 0, 0], 3),  # three count as the one of the reference
        ("a x", [1 / 2, 0, 0, 0], 2),  # a word that nobody says tells as much as one of one picture
        ("the", [0, 0, 0, 0], 1),
        ("", [0, 0, 0, 0], 0),
    ],
)
def test_one_reference_by_hand(two: Cider, caption: str, cosines: list[float], words: int) -> None:
    penalty = math.exp(-((words - 3) ** 2) / 72)
    assert two.score(caption.split(), 0) == pytest.approx(10 * penalty * sum(cosines) / 4)


def test_references_are_averaged(two: Cider) -> None:
    unigrams = (1 / math.sqrt(2) * math.exp(-1 / 72) + 1) / 2
    bigrams = (1 / math.sqrt(2) * math.exp(-1 / 72) + 1) / 2
    assert two.score(["the", "c"], 1) == pytest.approx(10 * (unigrams + bigrams) / 4)


def test_one_example_alone_tells_nothing() -> None:
    assert Cider([[["a", "cat"]]]).score(["a", "cat"], 0) == 0


def test_equals_what_pycocoevalcap_said() -> None:
    examples = grammar.examples()
    cider = Cider([example.references for example in examples])
    found = [cider.score(example.candidate, k) for k, example in enumerate(examples)]
    assert found == pytest.approx(RECORD["cider_d"], abs=1e-6)
    assert 0.5 < sum(found) / len(found) < 2
    assert max(found) > 5


def test_numbers_of_tokens_score_as_their_words() -> None:
    examples = grammar.examples(50)
    numbers: dict[str, int] = {}

    def numbered(words: list[str]) -> list[int]:
        return [numbers.setdefault(word, len(numbers)) for word in words]

    by_word = Cider([example.references for example in examples])
    by_number = Cider([[numbered(words) for words in example.references] for example in examples], kept=2)
    for k, example in enumerate(examples):
        assert by_number.score(numbered(example.candidate), k) == pytest.approx(by_word.score(example.candidate, k), abs=1e-12)


def test_equals_pycocoevalcap_where_it_is_installed() -> None:
    pytest.importorskip("pycocoevalcap")
    from tests.unit.metrics.captions import coco

    examples = grammar.examples(300, 1)
    cider = Cider([example.references for example in examples])
    assert [cider.score(example.candidate, k) for k, example in enumerate(examples)] == pytest.approx(coco.scores(examples)["cider_d"], abs=1e-6)
