"""Captions as people write them, from a grammar with paraphrases: 1,000 pictures with one to five references and a candidate each."""

from __future__ import annotations

import hashlib
import json
import random
from typing import NamedTuple

PHRASES = {
    "@caption": ["@thing @does @where", "@thing @does", "there is @thing @where", "@thing and @thing @where", "@thing @where @does with @thing",
                 "a @view of @thing @does @where", "@thing that is @does @where near @thing", "two @plural @do @where", "many @plural @where"],
    "@thing": ["a @noun", "a @looks @noun", "the @looks @looks @noun", "a @noun and a @noun", "some @plural", "a man 's @noun", "two @plural"],
    "@noun": ["dog", "cat", "man", "woman", "child", "train", "bus", "surfboard", "pizza", "horse", "kite", "bench", "umbrella", "bicycle"],
    "@plural": ["dogs", "cats", "people", "men", "children", "giraffes", "zebras", "boats", "skiers", "oranges"],
    "@looks": ["red", "blue", "black and white", "large", "very large", "small", "brown", "old", "young", "wooden", "well-dressed"],
    "@does": ["is sitting", "sits", "is standing", "stands", "riding a @noun", "is looking at the camera", "plays with a @noun", "lies down"],
    "@do": ["sit", "are sitting", "stand", "are walking", "play", "look at each other", "do n't move"],
    "@where": ["on a beach", "in the street", "on top of a @looks hill", "in front of a building", "next to a @noun", "in the snow", "at a table"],
    "@view": ["picture", "close up", "photo", "close-up view"],
}  # fmt: skip


class Example(NamedTuple):
    """Words of a candidate caption and of the references of one picture."""

    candidate: list[str]
    references: list[list[str]]


def examples(number: int = 1000, seed: int = 0) -> list[Example]:
    """Pictures; some candidates are empty, are one word many times, equal a reference, or are longer or shorter than all of them."""
    rng = random.Random(seed)
    found = []
    for k in range(number):
        nouns = rng.sample(PHRASES["@noun"], 3)
        references = [_sentence(rng, nouns) for _ in range(1 if k % 7 == 0 else rng.randint(2, 5))]
        candidate = _sentence(rng, nouns)
        if k % 50 == 1:
            candidate = []
        elif k % 50 == 2:
            candidate = [rng.choice(references[0])] * rng.randint(2, 30)
        elif k % 50 == 3:
            candidate = list(references[-1])
        elif k % 50 == 4:
            candidate = candidate * 4
        elif k % 50 == 5:
            candidate = candidate[:2]
        elif k % 5 == 0:  # a reference with a few words changed or swapped, as a good model's
            candidate = [rng.choice(candidate) if rng.random() < 0.15 else word for word in rng.choice(references)]
        found.append(Example(candidate, references))
    return found


def distinct(given: list[Example]) -> list[Example]:
    """Those whose candidate has no word twice."""
    return [example for example in given if len(set(example.candidate)) == len(example.candidate)]


def digest(given: list[Example]) -> str:
    """Says whether two lists of examples are the same."""
    return hashlib.sha256(json.dumps(given).encode()).hexdigest()


def _sentence(rng: random.Random, nouns: list[str]) -> list[str]:
    """A sentence about some of the nouns, so that references of one picture share words."""
    text = "@caption"
    while "@" in text:
        text = " ".join(_expand(rng, word, nouns) for word in text.split())
    return text.split()


def _expand(rng: random.Random, word: str, nouns: list[str]) -> str:
    if not word.startswith("@"):
        return word
    return rng.choice(nouns if word == "@noun" else PHRASES[word])
