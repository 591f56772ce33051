"""ROUGE-L is worked by hand and that of pycocoevalcap on 1,000 pictures; the bits count what the table counts."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from kvision.metrics.captions import rouge
from tests.unit.metrics.captions import grammar

RECORD = json.loads(Path(__file__).with_name("oracle.json").read_text(encoding="utf-8"))


def by_table(first: str, second: str) -> int:
    lengths = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if a == b else max(lengths[i][j + 1], lengths[i + 1][j])
    return lengths[-1][-1]


def test_the_longest_common_subsequence_equals_the_table() -> None:
    rng = random.Random(0)
    for _ in range(300):
        first, second = ("".join(rng.choices("abcd"[: rng.randint(1, 4)], k=rng.randint(0, 80))) for _ in range(2))
        assert rouge.common_length(first, second) == by_table(first, second), (first, second)


def score(caption: str, *references: str) -> float:
    return rouge.score(caption.split(), [reference.split() for reference in references])


def test_precision_and_recall_are_the_best_of_any_reference() -> None:
    caption = "police killed the gunman"
    assert score(caption, caption) == pytest.approx(1)
    assert score(caption, "police kill the gunman") == pytest.approx(0.75)  # Lin 2004, section 3.1
    found = score(caption, "police killed a very bad and very old gunman", "the gunman")
    assert found == pytest.approx((1 + 1.44) * 0.75 * 1 / (1 + 1.44 * 0.75))


@pytest.mark.parametrize("caption", [[], ["nothing"]])
def test_without_a_common_word_it_is_zero(caption: list[str]) -> None:
    assert rouge.score(caption, [["a", "cat"], []]) == 0


def test_equals_what_pycocoevalcap_said() -> None:
    found = [rouge.score(*example) for example in grammar.examples()]
    assert found == pytest.approx(RECORD["rouge_l"], abs=1e-6)


def test_equals_pycocoevalcap_where_it_is_installed() -> None:
    pytest.importorskip("pycocoevalcap")
    from tests.unit.metrics.captions import coco

    examples = grammar.examples(300, 1)
    assert [rouge.score(*example) for example in examples] == pytest.approx(coco.scores(examples)["rouge_l"], abs=1e-6)
