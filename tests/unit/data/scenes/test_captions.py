from __future__ import annotations

import pytest

from kvision.data.scenes.captions import captions
from tests.unit.data.scenes.drawn import content, scenes

PAIR = content(("circle", "red", (30, 10), 14), ("square", "blue", (38, 50), 28))
ALIKE = content(("circle", "red", (10, 10), 14), ("circle", "blue", (10, 50), 28), ("star", "green", (50, 30), 20))


def said(scene, count=60):
    return {caption for k in range(count) for caption in captions(scene, seed=(0, k))}


def test_five_different_captions_none_a_part_of_another() -> None:
    for k, scene in enumerate(scenes(200)):
        five = captions(scene, seed=(0, k))
        assert len(five) == len(set(five)) == 5
        assert not any(one != other and one in other for one in five for other in five)


def test_relations_from_both_sides_and_in_several_orders() -> None:
    found = said(PAIR)
    assert len(found) > 100
    assert {
        "a red circle is to the left of a blue square",
        "a blue square right of a red circle",
        "left of a blue square is a red circle",
        "a blue square has a red circle to its left",
        "there are two objects including a red circle",
    } <= found
    assert not any("above" in caption or "below" in caption for caption in found)  # they are 8 px apart down, 40 across
    assert any("small red circle" in caption for caption in found)
    assert any(" square" in caption and "blue square" not in caption for caption in found)


def test_two_of_a_noun_are_counted_and_stand_together() -> None:
    found = said(ALIKE, 150)
    assert "there are two circles and a green star" in found
    assert any(caption.startswith("two circles are ") and caption.endswith(" a green star") for caption in found)
    assert not any("two" in caption and "two circles" not in caption for caption in found)
    assert any("three objects" in caption for caption in found)
    both = content(("circle", "red", (10, 10), 14), ("circle", "red", (10, 50), 14), ("star", "green", (50, 30), 20))
    assert any("two red circles" in caption for caption in said(both))


def test_nothing_is_said_of_where_when_that_is_not_clear() -> None:
    beside = content(("circle", "red", (30, 30), 14), ("square", "blue", (33, 34), 28))
    assert not any(word in caption.split() for caption in said(beside) for word in ("left", "right", "above", "below", "over", "under"))


def test_one_object_and_many() -> None:
    alone = said(content(("star", "orange", (30, 30), 20)))
    assert "a picture of an orange star" in alone
    assert any("one object which is" in caption for caption in alone)
    many = content(*[("star", "pink", (4 + 8 * (k // 8), 4 + 8 * (k % 8)), 8) for k in range(14)])
    assert any("14 objects" in caption for caption in said(many, 5))


def test_photographs_have_no_colours() -> None:
    stamps = content(("red kangaroo", "", (30, 10), 14), ("cake slice", "", (38, 50), 28))
    assert "a red kangaroo is left of a cake slice" in said(stamps)


def test_the_vocabulary_is_small() -> None:
    words = {word for k, scene in enumerate(scenes(400)) for caption in captions(scene, seed=(0, k)) for word in caption.split()}
    assert 50 <= len(words) <= 65
    assert all(word.isalpha() and word.islower() for word in words)


@pytest.mark.parametrize("seed", [(0, 0, 1), (7, 1, 3)])
def test_the_seed_alone_chooses_the_words(seed) -> None:
    assert captions(PAIR, seed=seed) == captions(PAIR, seed=seed)
    assert captions(PAIR, seed=seed) != captions(PAIR, seed=(*seed[:-1], 99))
