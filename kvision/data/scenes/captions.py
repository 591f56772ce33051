"""Five captions a scene, each about something else: what there is, how many, where, what stands beside or before what, and the whole.

The wording is drawn at random from several for each, so that two captions of one scene share facts rather than words.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from kvision.data.scenes.ground import TEXTURES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.scenes.compose import Thing

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_GROUNDS = ("background", "surface", "ground", "backdrop")


def captions(things: Sequence[Thing], texture: str, side: int, *, seed: Sequence[int]) -> list[str]:
    """Five captions of a scene.

    Args:
        things: The objects from the farthest to the nearest; at least one.
        texture: Kind of the ground, a key of `ground.TEXTURES`.
        side: Side of the picture, pixels.
        seed: Chooses the wording.

    Returns:
        Five sentences in lower case without a full stop: a list, a count, a place, a relation, a summary.
    """
    rng = np.random.default_rng([*seed, 5])
    ground = f"{_article(TEXTURES[texture])} {_pick(rng, _GROUNDS)}"
    return [
        _listing(rng, things, ground),
        _count(rng, things, ground),
        _place(rng, things, side, ground),
        _relation(rng, things, ground),
        _summary(rng, things, side, ground),
    ]


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' and not words.startswith(('one', 'un', 'us')) else 'a'} {words}"


def _name(thing: Thing) -> str:
    return f"{thing.ink} {thing.noun}" if thing.ink else thing.noun


def plural(noun: str) -> str:
    """The plural of a noun: `sixes`, `cherries`, `circles`."""
    if noun.endswith(("s", "x", "sh", "ch")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def _series(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _counted(names: Sequence[str]) -> str:
    """`two red sevens and a blue four`, in the order of first appearance."""
    return _series([_article(name) if count == 1 else f"{_number(count)} {plural(name)}" for name, count in Counter(names).items()])


def _listing(rng: np.random.Generator, things: Sequence[Thing], ground: str) -> str:
    shown = _counted([_name(things[k]) for k in rng.permutation(len(things))[:4]])
    rest = len(things) - 4
    if rest > 0:
        shown = f"{shown}, and {_number(rest)} more"
    return _pick(
        rng, (f"{shown} on {ground}", f"on {ground} there are {shown}" if len(things) > 1 else f"on {ground} there is {shown}", f"this shows {shown}")
    )


def _count(rng: np.random.Generator, things: Sequence[Thing], ground: str) -> str:
    nouns = Counter(thing.noun for thing in things)
    noun, count = nouns.most_common(1)[0]
    total = _number(len(things))
    objects = "objects" if len(things) > 1 else "object"
    if count > 1:
        part = f"{_number(count)} of them {plural(noun)}" if count < len(things) else f"all of them {plural(noun)}"
        return _pick(
            rng, (f"{total} {objects}, {part}", f"there are {total} things here, {part}", f"a picture of {total} {objects} on {ground}, {part}")
        )
    return _pick(
        rng,
        (f"{total} different {objects} on {ground}", f"one can count {total} {objects}, no two alike", f"a picture with {total} {objects} in all"),
    )


def _where(thing: Thing, side: int) -> str:
    """The third of the picture in which a thing's middle lies."""
    y, x = (thing.box[0] + thing.box[2]) / (2 * side), (thing.box[1] + thing.box[3]) / (2 * side)
    row = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else ""
    column = "left" if x < 1 / 3 else "right" if x > 2 / 3 else ""
    return " ".join(part for part in (row, column) if part) or "middle"


def _height(thing: Thing) -> int:
    return thing.box[2] - thing.box[0]


def _place(rng: np.random.Generator, things: Sequence[Thing], side: int, ground: str) -> str:
    thing = things[int(rng.integers(len(things)))]
    name, where = _article(_name(thing)), _where(thing, side)
    corner = f"{where} corner" if " " in where else where if where == "middle" else f"{where} side" if where in {"left", "right"} else f"{where} edge"
    return _pick(rng, (f"{name} at the {corner} of the picture", f"in the {where} one sees {name}", f"the {where} of {ground} holds {name}"))


def _relation(rng: np.random.Generator, things: Sequence[Thing], ground: str) -> str:
    if len(things) == 1:
        return f"nothing but {_article(_name(things[0]))} on {ground}"
    near, far = sorted(rng.permutation(len(things))[:2].tolist(), reverse=True)
    first, second = things[near], things[far]
    one, other = _article(_name(first)), _article(_name(second))
    if _overlap(first.box, second.box):
        return _pick(rng, (f"{one} in front of {other}", f"{other} partly behind {one}", f"{one} drawn over {other}"))
    dy, dx = ((first.box[k] + first.box[k + 2] - second.box[k] - second.box[k + 2]) / 2 for k in (0, 1))
    if abs(dx) > abs(dy):
        left, right = (one, other) if dx < 0 else (other, one)
        return _pick(rng, (f"{left} to the left of {right}", f"{right} is right of {left}", f"from left to right: {left}, then {right}"))
    upper, lower = (one, other) if dy < 0 else (other, one)
    return _pick(rng, (f"{upper} above {lower}", f"{lower} is below {upper}", f"{lower} lies under {upper}"))


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    """Whether two boxes share at least a fifth of the smaller one."""
    height, width = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return height > 0 and width > 0 and 5 * height * width >= smaller


def _summary(rng: np.random.Generator, things: Sequence[Thing], side: int, ground: str) -> str:
    big = max(things, key=_height)
    name, where = _name(big), _where(big, side)
    others = len(things) - 1
    if others == 0:
        return f"a large {name} alone on {ground}"
    rest = f"{_number(others)} other {'object' if others == 1 else 'objects'}"
    return _pick(
        rng,
        (
            f"the largest of {_number(len(things))} objects is {_article(name)} in the {where}",
            f"a big {name} with {rest} around it",
            f"{rest} surround a tall {name} on {ground}" if others > 1 else f"{rest} beside a tall {name} on {ground}",
        ),
    )
