"""Five captions a scene in different words, of which every statement is true and clear: what there is, how many, and where one stands from another.

Each has another pattern; colours, sizes and objects are left out now and then, as people do, so that captions of one scene share facts rather than
words. `facts` reads them back.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from kvision.data.scenes.lexicon import RELATION_WORDS, RELATION_WORDS_OF_IT, article, number, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.scenes.content import Content

NUM_CAPTIONS = 5

_Group = tuple[int, ...]
"""Numbers of the things that one noun phrase names."""

_LIST = (
    "there {are} {all}",
    "a picture of {all}",
    "the picture shows {all}",
    "{all} in the picture",
    "we see {all}",
)
_TOTAL = ("{total} including {some}", "a picture with {total} including {some}", "there are {total} including {some}")
_ONE = (
    "one object which is {all}",
    "the picture shows one object which is {all}",
    "there is one object which is {all}",
    "a picture with one object which is {all}",
)
_PAIR = (
    "{a} {are} {where} {b}",
    "{a} {where} {b}",
    "there {are} {a} {where} {b}",
    "{where} {b} there {are} {a}",
    "{where} {b} {are} {a}",
    "the picture shows {a} {where} {b}",
)
_PAIR_OF_IT = ("{b} with {a} {where_of_it}", "{b} has {a} {where_of_it}")
_TRIPLE = (
    "{a} {are} {where} {b} and there {c_are} {c}",
    "there {c_are} {c} and {a} {are} {where} {b}",
)
_CHAIN = "{a} {are} {where} {b} which is {where_b} {c}"
_TWICE = "{a} {are} {where} {b} and {where_a} {c}"
_BOTH = "{a} {are} {where} {b} and {c}"

_MOST_NAMED = 3
_TRIES = 60


def captions(content: Content, *, seed: Sequence[int]) -> list[str]:
    """Captions of a scene.

    Args:
        content: What it shows, at least one thing.
        seed: Chooses the wording.

    Returns:
        Five sentences in lower case without punctuation, none a part of another unless all of many tries were.
    """
    rng = np.random.default_rng([*seed, 5])
    author = _Author(content, rng)
    kinds = _kinds(author)
    made: list[str] = []
    used: set[str] = set()
    for attempt in range(_TRIES * NUM_CAPTIONS):
        pattern = author.pick([pattern for pattern in kinds[len(made)] if pattern not in used] or kinds[len(made)])
        sentence = author.write(pattern)
        clash = any(sentence in other or other in sentence for other in made)
        if sentence and (not clash or (attempt >= _TRIES * (NUM_CAPTIONS - 1) and sentence not in made)):
            made.append(sentence)
            used.add(pattern)
            if len(made) == NUM_CAPTIONS:
                break
    return [made[k % len(made)] for k in rng.permutation(NUM_CAPTIONS)]


def _kinds(author: _Author) -> list[Sequence[str]]:
    """The patterns that each of the five captions may follow."""
    if len(author.content.things) == 1:
        return [_LIST, _LIST, _LIST, _LIST, _ONE]
    if not author.pairs:
        return [_LIST, _LIST, _LIST, _TOTAL, _TOTAL]
    third = (*_TRIPLE, _CHAIN, _TWICE, _BOTH) if len(author.content.things) > 2 else (*_PAIR, *_PAIR_OF_IT)
    return [(*_PAIR, *_PAIR_OF_IT), (*_PAIR, *_PAIR_OF_IT), third, _LIST, _TOTAL]


class _Author:
    """Writes sentences about one scene.

    Args:
        content: What it shows.
        rng: Chooses things and words.

    Attributes:
        content: What it shows.
        pairs: Groups of things of which the first clearly stands somewhere from the second, and where.
    """

    def __init__(self, content: Content, rng: np.random.Generator) -> None:
        self.content = content
        self._rng = rng
        num = len(content.things)
        alike = {content.alike(noun=thing.noun) for thing in content.things}
        groups: list[_Group] = [(k,) for k in range(num)] + sorted(group for group in alike if 1 < len(group) < num)
        self.pairs = [(a, b, where) for a, b in permutations(groups, 2) if (where := self._where(a, b))]

    def pick(self, choices: Sequence[str]) -> str:
        """One of them."""
        return choices[int(self._rng.integers(len(choices)))]

    def write(self, pattern: str) -> str:
        """A sentence of that pattern, or nothing if the things drawn for it do not go with it."""
        if pattern in _LIST or pattern in _ONE:
            return self._list(pattern)
        if pattern in _TOTAL:
            return self._total(pattern)
        return self._related(pattern)

    def _list(self, pattern: str) -> str:
        groups = self._groups(self._rng.permutation(len(self.content.things))[:_MOST_NAMED].tolist())
        names = self._names(groups)
        together = f"{names[0]}{self.pick((' and ', ' with '))}{' and '.join(names[1:])}" if len(names) > 1 else names[0]
        return pattern.format(all=together, are=_are(groups[0]))

    def _total(self, pattern: str) -> str:
        num = len(self.content.things)
        chosen = self._rng.permutation(num)[: int(self._rng.integers(1, min(num, _MOST_NAMED)))].tolist()
        names = self._names([(k,) for k in chosen])
        return pattern.format(total=f"{number(num)} {plural('object')}", some=" and ".join(names))

    def _related(self, pattern: str) -> str:
        a, b, where = self.pairs[int(self._rng.integers(len(self.pairs)))]
        if pattern in _PAIR_OF_IT and len(b) > 1:
            return ""
        others = [k for k in range(len(self.content.things)) if k not in a + b]
        c: _Group = ()
        if "{c}" in pattern:
            if not others or len(b) > 1:
                return ""
            c = (others[int(self._rng.integers(len(others)))],)
        where_a, where_b = (self._where(a, c), self._where(b, c)) if c else ("", "")
        if (pattern == _CHAIN and not where_b) or (pattern == _TWICE and not where_a) or (pattern == _BOTH and where_a != where):
            return ""
        names = self._names([a, b, c] if c else [a, b])
        return pattern.format(
            a=names[0], b=names[1], c=names[-1], are=_are(a), c_are=_are(c),
            where=self.pick(RELATION_WORDS[where]),
            where_of_it=self.pick(RELATION_WORDS_OF_IT[where]),
            where_a=self.pick(RELATION_WORDS[where_a]) if where_a else "",
            where_b=self.pick(RELATION_WORDS[where_b]) if where_b else "",
        )  # fmt: skip

    def _where(self, a: _Group, b: _Group) -> str:
        """Where all of one group clearly stand from all of another; empty if they do not, or share a thing."""
        found = {self.content.relation(one, other) if one != other else "" for one in a for other in b}
        return found.pop() if len(found) == 1 else ""

    def _groups(self, chosen: list[int]) -> list[_Group]:
        """The things in that order, those of one noun together now and then, if all of them were chosen."""
        groups: list[_Group] = []
        for k in chosen:
            alike = self.content.alike(noun=self.content.things[k].noun)
            together = len(alike) > 1 and set(alike) <= set(chosen) and self._rng.random() < 0.7
            if not any(k in group for group in groups):
                free = not any(set(alike) & set(group) for group in groups)
                groups.append(alike if together and free else (k,))
        return groups

    def _names(self, groups: Sequence[_Group]) -> list[str]:
        """Noun phrases; of several, at most one leaves out noun or colour."""
        vague = int(self._rng.integers(3 * len(groups))) if len(groups) > 1 else -1
        return [self._name(group, is_vague=k == vague) for k, group in enumerate(groups)]

    def _name(self, group: _Group, *, is_vague: bool) -> str:
        things = [self.content.things[k] for k in group]
        noun, inks, sizes = things[0].noun, {thing.ink for thing in things}, {self.content.size(thing) for thing in things}
        if len(group) > 1:
            ink = inks.pop() if len(inks) == 1 else ""
            return " ".join(part for part in (number(len(group)), ink, plural(noun)) if part)
        ink, size = inks.pop(), sizes.pop() if self._rng.random() < 0.4 else ""
        if is_vague and ink:
            noun, ink = ("object", ink) if self._rng.random() < 0.5 else (noun, "")
        words = " ".join(part for part in (size, ink, noun) if part)
        alone = len(self.content.alike("" if noun == "object" else noun, ink, size)) == 1
        return f"one {words}" if alone and self._rng.random() < 0.15 else article(words)


def _are(group: _Group) -> str:
    return "are" if len(group) > 1 else "is"
