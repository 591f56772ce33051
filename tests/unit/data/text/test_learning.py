"""Vocabularies are learned by count and alphabet, from texts in any order alike, and say what they can't be learned from."""

from __future__ import annotations

import pytest

from kvision.core.errors import DataError
from kvision.data.text import learning, stored
from kvision.data.text.vocabulary import SPECIAL

TEXTS = ["a dog on a mat", "a cat, a dog", "the zebra"]


def pieces(kind: str, texts: list[str] = TEXTS, **options: int) -> tuple[str, ...]:
    return learning.learn(texts, kind, **options).tokens[len(SPECIAL) :]


def test_words_are_in_the_order_of_their_count_then_of_the_alphabet() -> None:
    assert pieces("word") == ("a", "dog", "cat", "mat", "on", "the", "zebra")
    assert pieces("word", min_count=2) == ("a", "dog")
    assert pieces("word", size=7) == ("a", "dog", "cat")
    assert pieces("character", ["abba", "b c"]) == ("b", "a", " ", "c")


@pytest.mark.parametrize("kind", stored.KINDS)
def test_the_order_of_the_texts_does_not_matter(kind: str) -> None:
    if kind == "byte_pair":
        pytest.importorskip("tokenizers")
    assert pieces(kind, TEXTS * 3) == pieces(kind, TEXTS[::-1] * 3) == pieces(kind, sorted(TEXTS * 3))


@pytest.mark.parametrize(
    ("texts", "kind", "options", "message"),
    [
        (TEXTS, "words", {}, r"kind 'words' is not known, expected word, character, byte_pair; did you mean \"word\"\?"),
        (["", "  "], "word", {}, r"none of the 2 training texts has a word in it"),
        ([], "character", {}, r"none of the 0 training texts"),
        (TEXTS, "word", {"min_count": 5}, r"no word comes 5 times in the 3 training texts, at most 4 times; lower the minimum count"),
        (["...", "!"], "word", {}, r"no word comes 1 times in the 2 training texts, at most 0 times"),
        (TEXTS, "word", {"size": 4}, r"a word vocabulary of size 4 is too small.*use 5 or more"),
        (TEXTS, "byte_pair", {"size": 200}, r"a byte_pair vocabulary of size 200 is too small.*use 260 or more"),
    ],
)
def test_what_can_not_be_learned_is_said(texts: list[str], kind: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        learning.learn(texts, kind, **options)
