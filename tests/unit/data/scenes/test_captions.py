from __future__ import annotations

import re

import pytest

from kvision.data.scenes.captions import captions, plural
from kvision.data.scenes.compose import Thing

SEVEN = Thing(8, "seven", "red", (10, 10, 50, 40))
FOUR = Thing(5, "four", "blue", (80, 90, 110, 110))
OTHER_SEVEN = Thing(8, "seven", "red", (60, 20, 90, 40))


def many(things, texture="wood"):
    return [captions(things, texture, 128, seed=(0, 0, number)) for number in range(40)]


def test_five_different_captions_with_the_right_facts():
    for five in many([SEVEN, FOUR, OTHER_SEVEN]):
        assert len(set(five)) == 5
        listing, count, place, _, summary = five
        assert "two red sevens" in listing
        assert "a blue four" in listing
        assert re.search(r"\bthree\b", count)
        assert "two of them sevens" in count
        assert ("red seven" in place and "left" in place) or ("blue four" in place and "bottom right" in place)
        assert "red seven" in summary  # the tallest, 40 px
        assert re.search(r"\bthree\b|\btwo other\b", summary)


def test_wording_varies():
    five = many([SEVEN, FOUR, OTHER_SEVEN])
    for position in range(5):
        assert len({caption[position] for caption in five}) >= 4


def test_relations_say_what_is_so():
    near = Thing(2, "one", "green", (12, 12, 48, 38))
    for five in many([SEVEN, near]):
        assert five[3] in {"a green one in front of a red seven", "a red seven partly behind a green one", "a green one drawn over a red seven"}
    left, right = Thing(1, "zero", "pink", (40, 0, 60, 20)), Thing(2, "one", "grey", (45, 90, 65, 110))
    said = {five[3] for five in many([left, right])}
    assert "a pink zero to the left of a grey one" in said
    assert not any(text.startswith(("a grey one to the left", "a pink zero is right")) for text in said)
    above = {five[3] for five in many([Thing(1, "zero", "pink", (0, 40, 20, 60)), Thing(2, "one", "grey", (90, 45, 110, 65))])}
    assert above == {"a pink zero above a grey one", "a grey one is below a pink zero", "a grey one lies under a pink zero"}


def test_one_object_and_many():
    for five in many([Thing(1, "otter", "", (0, 0, 30, 30))]):
        assert five[3].startswith("nothing but an otter on a wooden ")
        assert five[1].startswith(("one ", "a picture with one object")) or "one object" in five[1]
    for five in many([SEVEN] * 14):
        assert "14" in five[1]
        assert "all of them sevens" in five[1]


@pytest.mark.parametrize(
    ("noun", "expected"),
    [("six", "sixes"), ("seven", "sevens"), ("cherry", "cherries"), ("cross", "crosses"), ("monkey", "monkeys"), ("brush", "brushes")],
)
def test_plurals(noun, expected):
    assert plural(noun) == expected


def test_the_seed_alone_chooses_the_words():
    assert captions([SEVEN, FOUR], "dots", 128, seed=(1, 0, 2)) == captions([SEVEN, FOUR], "dots", 128, seed=(1, 0, 2))
