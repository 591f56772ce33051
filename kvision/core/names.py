"""Near misses: what a misspelt word was probably meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MIN_LIKENESS = 65.0
"""Likeness in percent from which a suggestion helps more than it misleads."""


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """The choice most like `word`, or none when nothing is alike.

    Args:
        word: What was written.
        choices: What would have been accepted.

    Returns:
        One of `choices`, or None.
    """
    from rapidfuzz import fuzz, process

    found = process.extractOne(word.lower(), {choice: choice.lower() for choice in choices}, scorer=fuzz.ratio, score_cutoff=MIN_LIKENESS)
    return None if found is None else str(found[2])


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A clause to end a message with.

    Args:
        word: What was written.
        choices: What would have been accepted.

    Returns:
        `; did you mean "depth"?`, or nothing when no choice is alike.
    """
    choice = nearest(word, choices)
    return "" if choice is None else f'; did you mean "{choice}"?'
