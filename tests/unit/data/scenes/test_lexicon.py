from __future__ import annotations

import pytest

from kvision.data.scenes.lexicon import Lexicon, Noun, article, count_of, number, plural, words


@pytest.mark.parametrize(
    ("noun", "expected"),
    [("six", "sixes"), ("seven", "sevens"), ("cherry", "cherries"), ("cross", "crosses"), ("monkey", "monkeys"), ("brush", "brushes")],
)
def test_plurals(noun, expected) -> None:
    assert plural(noun) == expected


def test_the_longest_noun_is_found_in_singular_and_plural() -> None:
    known = Lexicon(["cake", "cake slice", "cherry"])
    assert known.noun(["a", "cake", "slice", "of"], 1) == Noun("cake slice", is_plural=False, num_words=2)
    assert known.noun(["two", "cake", "slices"], 1) == Noun("cake slice", is_plural=True, num_words=2)
    assert known.noun(["a", "cake"], 1) == Noun("cake", is_plural=False, num_words=1)
    assert known.noun(["cherries"], 0) == Noun("cherry", is_plural=True, num_words=1)
    assert known.noun(["red", "objects"], 1) == Noun("", is_plural=True, num_words=1)
    assert known.noun(["a", "dog"], 1) is None


def test_articles_and_numbers() -> None:
    assert [article(words) for words in ("orange star", "object", "one", "red object")] == ["an orange star", "an object", "a one", "a red object"]
    assert [number(count) for count in (1, 12, 14)] == ["one", "twelve", "14"]
    assert [count_of(word) for word in ("one", "twelve", "14", "star")] == [1, 12, 14, None]


def test_words_of_a_text() -> None:
    assert words("A merry-go-round, a child's (“toy”) <unk>!") == ["a", "merry-go-round", "a", "child's", "toy", "unk"]
