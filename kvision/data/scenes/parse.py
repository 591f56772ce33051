"""Sentences about scenes, read into what they state; also those of a network that has not learned its grammar yet.

A sentence is a row of noun phrases with relations between them. A relation links the phrase before it with the phrase after it; one at the start
(`above a square there is a star`) the two phrases that follow; one of `it` or `its` the last phrase with the one before. After `and`, a relation
is of the subject of the one before (`a star is left of a square and above a ring`), and so is a phrase (`a star is above a square and a ring`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from kvision.data.scenes import lexicon
from kvision.data.scenes.compose import INKS
from kvision.data.scenes.content import SIZES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.scenes.lexicon import Lexicon


@dataclass
class Mention:
    """A noun phrase; what it does not say is empty.

    Attributes:
        noun: Name of the objects.
        ink: Their colour.
        size: `small` or `large`.
        count: How many there are.
        exact: Whether the number was said, so that there are no more.
        words: Which word says what: `noun`, `ink` or `size` by the number of the word.
    """

    noun: str = ""
    ink: str = ""
    size: str = ""
    count: int = 1
    exact: bool = False
    words: dict[int, Literal["noun", "ink", "size"]] = field(default_factory=dict)

    def __str__(self) -> str:
        count = lexicon.number(self.count) if self.exact or self.count > 1 else ""
        noun = self.noun or "object"
        return " ".join(part for part in (count, self.size, self.ink, lexicon.plural(noun) if self.count > 1 else noun) if part)


class Link(NamedTuple):
    """A relation between two mentions, by number; none where the sentence does not tell which."""

    relation: str
    subject: int | None
    object: int | None


@dataclass(frozen=True)
class Statement:
    """What a sentence states.

    Attributes:
        mentions: Its noun phrases; each is about other objects.
        links: Relations between them.
        totals: Numbers that it gives for all objects of the picture.
        unread: Words that are not understood.
    """

    mentions: tuple[Mention, ...]
    links: tuple[Link, ...]
    totals: tuple[int, ...]
    unread: tuple[str, ...]


class _Event(NamedTuple):
    """What matters for the links, in the order of the sentence."""

    kind: Literal["mention", "relation", "it", "and", "there"]
    relation: str = ""
    mention: int = -1


def parse(sentence: Sequence[str], known: Lexicon) -> Statement:
    """Reads a sentence.

    Args:
        sentence: Its words, as `lexicon.words` gives them.
        known: The nouns.

    Returns:
        What it states; nothing, if it states nothing.
    """
    reader = _Reader()
    at = 0
    while at < len(sentence):
        noun = known.noun(sentence, at)
        if noun and (reader.phrase is not None or lexicon.count_of(sentence[at]) is None):  # `a red two`, but `two red twos`
            reader.name(noun, at)
            at += noun.num_words
        else:
            reader.take(sentence[at], at)
            at += 1
    reader.close()
    return Statement(tuple(reader.mentions), tuple(_links(reader.events)), tuple(reader.totals), tuple(reader.unread))


@dataclass
class _Reader:
    """The sentence as far as it was read; `phrase` is the noun phrase that waits for its noun."""

    mentions: list[Mention] = field(default_factory=list)
    events: list[_Event] = field(default_factory=list)
    totals: list[int] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    phrase: Mention | None = None

    def name(self, noun: lexicon.Noun, at: int) -> None:
        """A noun ends a phrase; words that fit all objects, with nothing but a number before, count the whole picture."""
        phrase = self.phrase or Mention()
        phrase.noun = noun.name
        if noun.name:
            phrase.words |= dict.fromkeys(range(at, at + noun.num_words), "noun")
        if noun.is_plural and not phrase.exact:
            phrase.count = 2
        self.phrase = phrase
        self.close(named=True)

    def take(self, word: str, at: int) -> None:
        """A word that is no noun."""
        count = lexicon.count_of(word)
        if word in lexicon.ARTICLES or count is not None:
            self.close()
            self.phrase = Mention() if count is None else Mention(count=count, exact=True)
        elif word in INKS or word in SIZES:
            kind: Literal["ink", "size"] = "ink" if word in INKS else "size"
            if self.phrase and getattr(self.phrase, kind):
                self.close()
            self.phrase = self.phrase or Mention()
            setattr(self.phrase, kind, word)
            self.phrase.words[at] = kind
        else:
            self.close()
            if word in lexicon.RELATION_OF:
                self.events.append(_Event("relation", relation=lexicon.RELATION_OF[word]))
            elif word in lexicon.PRONOUNS:
                self.events.append(_Event("it"))
            elif word in {"and", "there"}:
                self.events.append(_Event("and" if word == "and" else "there"))
            elif word not in lexicon.IDLE:
                self.unread.append(word)

    def close(self, *, named: bool = False) -> None:
        """The phrase is over; one without a noun counts for what it said."""
        phrase, self.phrase = self.phrase, None
        if phrase is None:
            return
        if phrase.noun or phrase.words or (named and not phrase.exact):
            self.events.append(_Event("mention", mention=len(self.mentions)))
            self.mentions.append(phrase)
        elif phrase.exact and (named or phrase.count != 1):
            self.totals.append(phrase.count)


def _links(events: Sequence[_Event]) -> list[Link]:
    """Which relation is between which mentions."""
    links: list[Link] = []
    seen: list[int] = []
    waiting: Link | None = None  # for its object, or for the subject of a relation that came first
    for at, event in enumerate(events):
        before = events[at - 1].kind if at else ""
        if event.kind == "relation":
            if waiting:
                links.append(waiting)
            subject = seen[-1] if before in {"mention", "it"} and seen else links[-1].subject if before == "and" and links else None
            waiting = Link(event.relation, subject, None)
            if before == "it" and len(seen) > 1:
                links.append(waiting._replace(object=seen[-2]))
                waiting = None
        elif event.kind == "it" and waiting and waiting.subject in seen[1:]:
            links.append(waiting._replace(object=seen[seen.index(waiting.subject) - 1]))
            waiting = None
        elif event.kind == "mention":
            seen.append(event.mention)
            if waiting and waiting.subject is None and waiting.object is None:
                waiting = waiting._replace(object=event.mention)
            elif waiting:
                links.append(waiting._replace(subject=event.mention) if waiting.subject is None else waiting._replace(object=event.mention))
                waiting = None
            elif before == "and" and _goes_on(events, at) and links and links[-1].object == seen[-2]:
                links.append(links[-1]._replace(object=event.mention))
    return [*links, waiting] if waiting else links


def _goes_on(events: Sequence[_Event], at: int) -> bool:
    """Whether the mention after an `and` belongs to the mention before it: nothing is said of it itself."""
    follows = events[at + 1].kind if at + 1 < len(events) else ""
    return events[at - 2].kind == "mention" and follows not in {"relation", "it"}
