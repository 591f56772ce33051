"""The words that sentences about scenes are made of, for those who write them and those who read them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
RELATION_WORDS = {
    "left": ("to the left of", "left of", "on the left of"),
    "right": ("to the right of", "right of", "on the right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
"""How to say where something lies, before what it is compared with."""
RELATION_WORDS_OF_IT = {
    "left": ("to its left", "on its left"),
    "right": ("to its right", "on its right"),
    "above": ("above it", "over it"),
    "below": ("below it", "under it"),
}
"""The same where what it is compared with was named before."""
RELATION_OF = {phrase: name for name, phrases in RELATION_WORDS.items() for phrase in phrases if " " not in phrase} | {
    "left": "left",
    "right": "right",
    "beneath": "below",
}
"""The relation that a single word states, also of words that references do not use."""
ARTICLES = frozenset({"a", "an", "the", "another"})
ANYTHING = ("object", "thing", "shape")
"""Nouns that fit all objects, in the singular."""
PRONOUNS = frozenset({"it", "its"})
IDLE = frozenset(
    {
        *("are", "be", "can", "contain", "containing", "contains", "drawn", "has", "have", "included", "including", "is", "lies", "lying"),
        *("see", "seen", "show", "showing", "shown", "shows", "sits", "stands", "image", "photo", "picture", "scene", "side"),
        *("at", "here", "in", "of", "on", "that", "this", "to", "we", "where", "which", "while", "with"),
    }
)
"""Words that state nothing of themselves."""


class Noun(NamedTuple):
    """A noun as it was found in a sentence; `name` is empty where it fits all objects."""

    name: str
    is_plural: bool
    num_words: int


class Lexicon:
    """The nouns that a sentence may use, in singular and plural; nouns may be of several words."""

    def __init__(self, nouns: Iterable[str]) -> None:
        known = {**dict.fromkeys(ANYTHING, ""), **{noun: noun for noun in nouns}}
        self._forms = {tuple(plural(form).split()): (name, True) for form, name in known.items()}
        self._forms |= {tuple(form.split()): (name, False) for form, name in known.items()}
        self._longest = max(map(len, self._forms))

    def noun(self, words: Sequence[str], start: int) -> Noun | None:
        """The longest noun that begins at word number `start`, if one does."""
        for length in range(self._longest, 0, -1):
            form = tuple(words[start : start + length])
            if form in self._forms:
                return Noun(*self._forms[form], len(form))
        return None


def words(text: str) -> list[str]:
    """The words of a text, in lower case without punctuation."""
    return re.findall(r"\w+(?:['-]\w+)*", text.lower())


def plural(noun: str) -> str:
    """The plural of a noun: `sixes`, `cherries`, `circles`."""
    if noun.endswith(("s", "x", "sh", "ch")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def article(words: str) -> str:
    """`a circle`, `an orange circle`, `a one`."""
    return f"{'an' if words[0] in 'aeiou' and not words.startswith(('one', 'un', 'us')) else 'a'} {words}"


def number(count: int) -> str:
    """A number in words up to twelve."""
    return NUMBERS[count - 1] if 0 < count <= len(NUMBERS) else str(count)


def count_of(word: str) -> int | None:
    """The number that a word is, if it is one."""
    return int(word) if word.isdecimal() else NUMBERS.index(word) + 1 if word in NUMBERS else None
