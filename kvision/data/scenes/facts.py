"""Whether what a caption says of a scene is so: exact, because scenes know what they show.

Each colour, size, noun, number and relation that a caption states is one fact. Its noun phrases are about different objects; they are taken to be
about those that make most of its facts true. What can't be understood, or has no object to be about, is a fact that does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from kvision.data.scenes import lexicon
from kvision.data.scenes.parse import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kvision.data.scenes.content import Content
    from kvision.data.scenes.lexicon import Lexicon
    from kvision.data.scenes.parse import Mention, Statement

_KEPT = 64
"""Ways of taking the phrases that are followed at once: all that there are of three phrases about three objects, of more the truest."""

_Choice = dict[int, tuple[int, ...]]
"""The things, by number, that each mention is taken to be about."""


@dataclass(frozen=True)
class Fact:
    """One thing that a caption states, in words, and whether it is so."""

    text: str
    holds: bool


def judge(caption: str, content: Content, known: Lexicon) -> tuple[Fact, ...]:
    """What a caption states of a scene.

    Args:
        caption: A sentence, grammatical or not.
        content: What the scene shows.
        known: The nouns that captions use.

    Returns:
        Its facts; none if it states nothing.
    """
    statement = parse(lexicon.words(caption), known)
    choice = _readings(statement, content)[0]
    return _judged(statement, choice, _phrases(statement, choice, content), content)


def count(caption: str, content: Content, known: Lexicon) -> dict[str, np.ndarray]:
    """What one caption adds to the sums.

    Args:
        caption: A sentence.
        content: What the scene shows.
        known: The nouns that captions use.

    Returns:
        int64 `[]`: `facts_stated`, `facts_true`, `phrases_stated` (noun phrases), `phrases_true` (those of which all is so), `captions_true` (1 if it
        states something and all of it is so), `captions_judged` (1).
    """
    statement = parse(lexicon.words(caption), known)
    choice = _readings(statement, content)[0]
    phrases = _phrases(statement, choice, content)
    facts = _judged(statement, choice, phrases, content)
    held = sum(fact.holds for fact in facts)
    values = {"facts_stated": len(facts), "facts_true": held, "captions_true": int(0 < held == len(facts)), "captions_judged": 1}
    values |= {"phrases_stated": len(phrases), "phrases_true": sum(all(fact.holds for fact in phrase) for phrase in phrases)}
    return {name: np.array(value, np.int64) for name, value in values.items()}


def metrics(sums: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Figures of all captions.

    Args:
        sums: Sums of what `count` gives.

    Returns:
        `truth`, the share of captions of which every fact holds; `phrase_truth`, the share of noun phrases of which every one does; `fact_truth`, the
        share of facts; `facts_each`, how many a caption states.
    """
    captions, stated = max(1, int(sums["captions_judged"])), int(sums["facts_stated"])
    return {
        "truth": int(sums["captions_true"]) / captions,
        "phrase_truth": int(sums["phrases_true"]) / max(1, int(sums["phrases_stated"])),
        "fact_truth": int(sums["facts_true"]) / max(1, stated),
        "facts_each": stated / captions,
    }


def named_things(sentence: Sequence[str], content: Content, known: Lexicon) -> list[int | None]:
    """Which object each colour, size and noun of a caption names, for those who ask whether the network looks there.

    Args:
        sentence: The caption's words, in lower case.
        content: What the scene shows.
        known: The nouns that captions use.

    Returns:
        For each word the number of an object, which is that of its box; none where the word names no object, several, or could name different ones.
    """
    statement = parse(sentence, known)
    readings = _readings(statement, content)
    named: list[int | None] = [None] * len(sentence)
    for k, mention in enumerate(statement.mentions):
        choices = {reading[k] for reading in readings}
        choice = choices.pop()
        if choices or len(choice) != 1:
            continue
        noun, ink, size = content.fits(content.things[choice[0]], mention.noun, mention.ink, mention.size)
        holds = {"noun": noun, "ink": ink, "size": size}
        for at, kind in mention.words.items():
            if holds[kind]:
                named[at] = choice[0]
    return named


def _judged(statement: Statement, choice: _Choice, phrases: Sequence[Sequence[Fact]], content: Content) -> tuple[Fact, ...]:
    """All facts of a caption: those of its phrases, which are taken to be about these things, and what it says of them together."""
    facts = [fact for phrase in phrases for fact in phrase]
    for relation, subject, other in statement.links:
        if subject is None or other is None:
            facts.append(Fact(f"{relation}, but not what of what", holds=False))
        else:
            text = f"{statement.mentions[subject]} {lexicon.RELATION_WORDS[relation][0]} {statement.mentions[other]}"
            facts.append(Fact(text, _is_related(relation, choice[subject], choice[other], content)))
    facts += [Fact(f"{lexicon.number(total)} objects in all", total == len(content.things)) for total in statement.totals]
    return (*facts, *(Fact(f"'{word}', which is not understood", holds=False) for word in statement.unread))


def _phrases(statement: Statement, choice: _Choice, content: Content) -> list[list[Fact]]:
    """The facts of each noun phrase about what it is taken to be about."""
    return [list(_said(mention, choice[k], content)) for k, mention in enumerate(statement.mentions)]


def _said(mention: Mention, things: tuple[int, ...], content: Content) -> Iterator[Fact]:
    """The facts of one noun phrase if it is about these things."""
    held = [content.fits(content.things[k], mention.noun, mention.ink, mention.size) for k in things]
    for part, value in enumerate((mention.noun, mention.ink, mention.size)):
        if value:
            yield Fact(f"{mention}: {value}", bool(held) and all(each[part] for each in held))
    if mention.exact or mention.count > 1:
        there = len(content.alike(mention.noun, mention.ink, mention.size))
        yield Fact(f"{mention} and no {'more' if mention.exact else 'fewer'}", there == mention.count if mention.exact else there >= mention.count)
    elif not mention.words:
        yield Fact(f"an {mention}", bool(things))


def _is_related(relation: str, subjects: tuple[int, ...], others: tuple[int, ...], content: Content) -> bool:
    return bool(subjects and others) and all(content.is_so(relation, one, other) for one in subjects for other in others)


def _readings(statement: Statement, content: Content) -> list[_Choice]:
    """The ways of taking the phrases that make most facts true, each with its own things; mentions in the plural choose first."""
    attributes = cache(lambda k, things: sum(fact.holds for fact in _said(statement.mentions[k], things, content)))
    ways: list[tuple[int, _Choice]] = [(0, {})]
    for k in sorted(range(len(statement.mentions)), key=lambda k: statement.mentions[k].count == 1):
        longer = []
        for score, choice in ways:
            for things in _free(statement.mentions[k], choice, content):
                way = {**choice, k: things}
                longer.append((score + attributes(k, things) + _related(statement, way, k, content), way))
        ways = sorted(longer, key=lambda way: -way[0])[:_KEPT]
    return [choice for score, choice in ways if score == ways[0][0]]


def _related(statement: Statement, choice: _Choice, k: int, content: Content) -> int:
    """How many relations of mention number `k`, the latest, are so."""
    return sum(
        subject in choice and other in choice and _is_related(relation, choice[subject], choice[other], content)
        for relation, subject, other in statement.links
        if subject is not None and other is not None and k in {subject, other}
    )


def _free(mention: Mention, choice: _Choice, content: Content) -> list[tuple[int, ...]]:
    """What a mention can be about: any one thing that no other is about, or nothing; in the plural those that fit best."""
    taken = {k for things in choice.values() for k in things}
    left = [k for k in range(len(content.things)) if k not in taken]
    if mention.count == 1:
        return [*((k,) for k in left), ()]
    fit = sorted(left, key=lambda k: -sum(content.fits(content.things[k], mention.noun, mention.ink, mention.size)))
    return [tuple(fit[: mention.count]) if len(left) >= mention.count else ()]
