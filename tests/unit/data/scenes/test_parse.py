from __future__ import annotations

import pytest

from kvision.data.scenes.lexicon import Lexicon, words
from kvision.data.scenes.parse import parse
from tests.unit.data.scenes.drawn import KNOWN


def read(sentence):
    statement = parse(words(sentence), KNOWN)
    return [str(mention) for mention in statement.mentions], [tuple(link) for link in statement.links]


@pytest.mark.parametrize(
    ("sentence", "mentions", "links"),
    [
        ("A small red circle is to the left of a blue square.", ["small red circle", "blue square"], [("left", 0, 1)]),
        ("to the left of a blue square there is a red circle", ["blue square", "red circle"], [("left", 1, 0)]),
        ("under a star is a ring", ["star", "ring"], [("below", 1, 0)]),
        ("a star with a ring below it", ["star", "ring"], [("below", 1, 0)]),
        ("a star has a ring on its right", ["star", "ring"], [("right", 1, 0)]),
        ("a star is above a ring which is left of a moon", ["star", "ring", "moon"], [("above", 0, 1), ("left", 1, 2)]),
        ("a star is above a ring and left of a moon", ["star", "ring", "moon"], [("above", 0, 1), ("left", 0, 2)]),
        ("a star is above a ring and a moon", ["star", "ring", "moon"], [("above", 0, 1), ("above", 0, 2)]),
        ("a star is above a ring and there is a moon", ["star", "ring", "moon"], [("above", 0, 1)]),
        ("a star over a ring and a moon is left of a heart", ["star", "ring", "moon", "heart"], [("above", 0, 1), ("left", 2, 3)]),
        ("there is a moon and a star is above a ring", ["moon", "star", "ring"], [("above", 1, 2)]),
        ("two circles and one red star", ["two circles", "one red star"], []),
    ],
)
def test_sentences(sentence, mentions, links) -> None:
    assert read(sentence) == (mentions, links)


@pytest.mark.parametrize(
    ("sentence", "mentions", "links"),
    [
        ("", [], []),
        ("a a the of of", [], []),
        ("circle red", ["circle", "red object"], []),
        ("a red blue circle", ["red object", "blue circle"], []),
        ("a circle left", ["circle"], [("left", 0, None)]),
        ("left of of a circle", ["circle"], [("left", None, 0)]),
        ("above it a star", ["star"], [("above", None, 0)]),
        ("a circle left right a star", ["circle", "star"], [("left", 0, None), ("right", None, 1)]),
        ("a red is above a small", ["red object", "small object"], [("above", 0, 1)]),
    ],
)
def test_broken_sentences_state_what_their_words_state(sentence, mentions, links) -> None:
    assert read(sentence) == (mentions, links)


def test_numbers_of_all_objects_and_words_that_are_not_understood() -> None:
    statement = parse(words("there are three objects including a star"), KNOWN)
    assert (statement.totals, [str(mention) for mention in statement.mentions]) == ((3,), ["star"])
    assert parse(words("one object which is a star"), KNOWN).totals == (1,)
    assert parse(words("two red objects"), KNOWN).totals == ()
    assert parse(words("one is a red <unk> star dog"), KNOWN).unread == ("unk", "dog")


def test_a_number_is_a_noun_after_what_begins_a_phrase() -> None:
    digits = Lexicon(["one", "two", "seven"])
    statement = parse(words("two red sevens and a two above seven objects"), digits)
    assert [str(mention) for mention in statement.mentions] == ["two red sevens", "two"]
    assert statement.totals == (7,)


def test_which_word_says_what() -> None:
    statement = parse(words("a small red circle and a star"), KNOWN)
    assert [mention.words for mention in statement.mentions] == [{1: "size", 2: "ink", 3: "noun"}, {6: "noun"}]
