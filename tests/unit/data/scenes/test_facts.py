from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from kvision.data.scenes import facts
from kvision.data.scenes.captions import captions
from kvision.data.scenes.compose import INKS
from kvision.data.scenes.lexicon import RELATION_OF, words
from kvision.data.scenes.parse import parse
from tests.unit.data.scenes.drawn import KNOWN, SHAPES, content, scenes

# A small red circle at the top left, a large blue square at its right, a large red star below both.
SCENE = content(("circle", "red", (14, 12), 14), ("square", "blue", (14, 46), 28), ("star", "red", (48, 30), 26))


def judged(caption, scene=SCENE):
    found = facts.judge(caption, scene, KNOWN)
    return sum(fact.holds for fact in found), len(found)


@pytest.mark.parametrize(
    ("caption", "held", "stated"),
    [
        ("a small red circle is to the left of a blue square", 6, 6),
        ("a blue square with a red circle on its left", 5, 5),
        ("there are three objects including a red star", 3, 3),
        ("two red objects above a square", 3, 4),  # red and two of them, but the star is not above the square
        ("a large red circle", 2, 3),
        ("a red square", 1, 2),
        ("a green circle right of a square", 2, 4),
        ("two objects", 0, 1),
        ("one red object", 1, 2),
        ("red objects", 2, 2),
        ("a red object and a red object", 2, 2),
        ("a red object and a red object and a red object", 2, 3),
        ("a circle and a circle", 1, 2),
        ("two circles", 0, 2),
        ("an object above an object", 3, 3),
        ("an object and an object and an object and an object", 3, 4),
        ("a dog and a star", 1, 2),
        ("a circle left of", 1, 2),
        ("above it", 0, 1),
        ("a the of", 0, 0),
        ("", 0, 0),
    ],
)
def test_captions_judged_by_hand(caption, held, stated) -> None:
    assert judged(caption) == (held, stated)


def test_the_faults_are_named() -> None:
    found = facts.judge("a large red circle is right of a blue square of dogs", SCENE, KNOWN)
    wrong = [fact.text for fact in found if not fact.holds]
    assert wrong == ["large red circle: large", "large red circle to the right of blue square", "'dogs', which is not understood"]


def test_phrases_are_about_the_objects_that_make_most_of_the_sentence_true() -> None:
    two = content(("circle", "red", (12, 12), 14), ("circle", "blue", (12, 50), 14), ("star", "red", (50, 12), 14))
    assert judged("a circle is right of a circle and above a star", two) == (5, 5)
    assert judged("a circle is right of a star", two) == (3, 3)
    assert judged("two circles above a star", two) == (4, 4)
    assert judged("two circles right of a star", two) == (3, 4)


def test_figures_of_several_captions() -> None:
    sums: Counter = Counter()
    for caption in ("a red star", "a blue star", "", "of"):
        sums.update({name: int(value) for name, value in facts.count(caption, SCENE, KNOWN).items()})
    assert dict(sums) == {
        "facts_stated": 4, "facts_true": 3, "captions_true": 1, "captions_judged": 4, "phrases_stated": 2, "phrases_true": 1,
    }  # fmt: skip
    assert facts.metrics(sums) == {"truth": 0.25, "phrase_truth": 0.5, "fact_truth": 0.75, "facts_each": 1.0}
    assert set(facts.metrics(dict.fromkeys(sums, 0)).values()) == {0.0}


def test_which_object_a_word_names() -> None:
    def named(caption, scene=SCENE):
        return facts.named_things(caption.split(), scene, KNOWN)

    assert named("a small red circle above a red star") == [None, 0, 0, 0, None, None, 2, 2]
    assert named("a blue circle") == [None, None, None]  # the blue square or the red circle: as much of it is so
    assert named("a large red circle") == [None, None, None, None]  # the circle is small, the star is no circle
    assert named("a red object") == [None, None, None]  # the circle or the star
    assert named("two red objects") == [None, None, None]
    assert named("a red object below a square") == [None, 2, None, None, None, 1]
    assert named("a red object left of a square and a green dog") == [None, 0, *[None] * 4, 1, *[None] * 4]


PAIRED = [(scene, caption) for k, scene in enumerate(scenes(150)) for caption in captions(scene, seed=(1, k))]


def is_true(caption, scene):
    held, stated = judged(caption, scene)
    return 0 < held == stated


def test_every_reference_is_true_of_its_scene_and_hardly_of_another() -> None:
    assert all(is_true(caption, scene) for scene, caption in PAIRED)
    others = [is_true(caption, PAIRED[(7 * k + 335) % len(PAIRED)][0]) for k, (_, caption) in enumerate(PAIRED)]
    assert sum(others) <= 0.02 * len(others)


def test_one_wrong_word_makes_a_reference_false() -> None:
    """Colours and shapes that the scene does not have, and the opposite of a relation between objects that are called different things."""
    opposite = {"left": "right", "right": "left", "above": "below", "over": "below", "below": "above", "under": "above"}
    tried: Counter = Counter()
    for scene, caption in PAIRED:
        sentence = caption.split()
        inks, nouns = ({getattr(thing, part) for thing in scene.things} for part in ("ink", "noun"))
        for at, word in enumerate(sentence):
            if word in INKS:
                kind, other = "ink", next(ink for ink in INKS if ink not in inks)
            elif word in SHAPES:
                kind, other = "noun", next(noun for noun in SHAPES if noun not in nouns)
            elif word in RELATION_OF and len(nouns) == len(inks) == len(scene.things) and "object" not in caption:
                kind, other = "relation", opposite[word]
            else:
                continue
            tried[kind] += 1
            assert not is_true(" ".join([*sentence[:at], other, *sentence[at + 1 :]]), scene), (caption, at, other)
    assert min(tried[kind] for kind in ("ink", "noun", "relation")) > 100


def test_many_objects_and_a_long_babble_are_judged_quickly() -> None:
    many = content(*[("circle", "red", (4 + 8 * (k // 8), 4 + 8 * (k % 8)), 8) for k in range(32)])
    assert judged("red circle above " * 8, many)[1] == 24
    assert judged("32 red circles", many) == (3, 3)


BABBLE = [
    *("a", "the", "red", "blue", "small", "large", "circle", "square", "star", "object", "left", "above", "under"),
    *("of", "and", "which", "it", "is", "there"),
]


def most_facts(caption, scene):
    """The same maximum by trying all ways to give each noun phrase another object or none."""
    statement = parse(words(caption), KNOWN)
    spare = [None] * len(statement.mentions)
    best = 0
    for choice in set(itertools.permutations([*range(len(scene.things)), *spare], len(statement.mentions))):
        held = 0
        for mention, k in zip(statement.mentions, choice, strict=True):
            if k is not None:
                thing = scene.things[k]
                parts = [mention.noun == thing.noun, mention.ink == thing.ink, bool(mention.size) and scene.is_size(mention.size, thing)]
                held += sum(parts) if mention.words else 1
        for relation, subject, other in statement.links:
            if subject is not None and other is not None and choice[subject] is not None and choice[other] is not None:
                held += scene.is_so(relation, choice[subject], choice[other])
        best = max(best, held)
    return best


def test_babble_is_judged_as_if_all_ways_had_been_tried() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for k, scene in enumerate(scenes(150)):
        caption = " ".join(rng.choice(BABBLE, size=4 + k % 10))
        if len(parse(words(caption), KNOWN).mentions) > 5:
            continue
        assert judged(caption, scene)[0] == most_facts(caption, scene), caption
        held += judged(caption, scene)[0]
        assert len(facts.named_things(caption.split(), scene, KNOWN)) == len(caption.split())
    assert held > 100


def test_any_row_of_words_can_be_judged() -> None:
    rng = np.random.default_rng(1)
    every = [*BABBLE, "two", "three", "circles", "objects", "its", "14", "0", "an", "with", "right", "below", "unk"]
    for scene in scenes(300, most=6):
        caption = " ".join(rng.choice(every, size=int(rng.integers(0, 20))))
        found = judged(caption, scene)
        assert 0 <= found[0] <= found[1] <= len(caption.split()) + 3, caption
