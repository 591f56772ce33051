"""Names and numbers of classes, where the data holds words, numbers or several of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.core.errors import DataError
from kvision.core.names import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

MOST = 100_000
"""More classes than this are taken for numbers that are no classes."""


def of_words(words: Iterable[str]) -> tuple[str, ...]:
    """The distinct words, sorted: by value if all are whole numbers, else by alphabet."""
    distinct = set(words)
    numbers = all(word.isdecimal() for word in distinct)
    return tuple(sorted(distinct, key=(lambda word: (int(word), word)) if numbers else None))


def of_numbers(given: Sequence[str] | None, labels: Sequence[np.ndarray], *, first: int = 0) -> tuple[str, ...]:
    """Names of the classes where the data holds numbers only.

    Args:
        given: `data.classes`.
        labels: Those of each split, counted from 0, int `[N]` or 0 and 1 `[N, K]`.
        first: What the data itself calls number 0.

    Returns:
        The names that are given, or else the numbers as the data has them.

    Raises:
        DataError: If there are more classes than names, or far too many.
    """
    count = max(each.shape[1] if each.ndim == 2 else int(each.max()) + 1 for each in labels)
    if given is not None and len(given) < count:
        raise DataError(f"data.classes: names {len(given)} classes, the labels hold {count} (0..{count - 1}); name them all")
    if count > MOST:
        raise DataError(f"the labels go up to {count - 1}, which is no class number; use 0..K-1")
    return tuple(given) if given is not None else tuple(str(k + first) for k in range(count))


def numbered(labels: Sequence[Collection[str]], names: Sequence[str], where: Sequence[str], *, several: bool) -> np.ndarray:
    """The labels of examples as numbers.

    Args:
        labels: The words of each example; one each unless `several`.
        names: Names of the K classes. Where no word is a name and all are whole numbers, the words are the classes' numbers.
        where: What to call each example in messages.
        several: Whether an example can be of any number of classes.

    Returns:
        int32 `[N]`, or uint8 `[N, K]` if `several`.

    Raises:
        DataError: If a word is no class, or an example has not exactly one where it should.
    """
    number = {name: k for k, name in enumerate(names)}
    words = {word for example in labels for word in example}
    if not words & number.keys() and all(word.isdecimal() for word in words):
        number = {str(k): k for k in range(len(names))}
    found = np.zeros((len(labels), len(names)), np.uint8) if several else np.zeros(len(labels), np.int32)
    for row, example in enumerate(labels):
        for word in example:
            if word not in number:
                meant = did_you_mean(word, number)
                raise DataError(f"{where[row]}: the label {word!r} is none of the {len(names)} classes{meant}; mend it, or add it to data.classes")
        if several:
            found[row, [number[word] for word in example]] = 1
        elif len(example) != 1:
            raise DataError(f"{where[row]}: has {len(example)} labels, one is needed")
        else:
            found[row] = next(number[word] for word in example)
    return found
