"""Scenes without pictures, for tests of what is said of them."""

from __future__ import annotations

import numpy as np

from kvision.data.scenes.compose import INKS
from kvision.data.scenes.content import Content, Thing, usual_px
from kvision.data.scenes.lexicon import Lexicon
from kvision.data.scenes.objects import class_names

SHAPES = class_names("shapes")[1:]
KNOWN = Lexicon(SHAPES)
SIDE_PX = 64


def content(*things: tuple[str, str, tuple[int, int], int], usual: float = 20.0) -> Content:
    """A scene of squares around (noun, ink, middle (y, x), length)."""
    boxes = [(y - length // 2, x - length // 2, y + length // 2, x + length // 2) for _, _, (y, x), length in things]
    return Content(
        tuple(Thing(SHAPES.index(noun) + 1 if noun in SHAPES else 1, noun, ink, box) for (noun, ink, _, _), box in zip(things, boxes, strict=True)),
        SIDE_PX,
        usual,
    )


def scenes(count: int, most: int = 3) -> list[Content]:
    """Random scenes of one to `most` shapes."""
    rng = np.random.default_rng(3)
    made = []
    for _ in range(count):
        lengths = rng.integers(14, 30, rng.integers(1, most + 1)).tolist()
        places = [rng.integers(length // 2, SIDE_PX - length // 2, 2).tolist() for length in lengths]
        names = [(SHAPES[rng.integers(len(SHAPES))], list(INKS)[rng.integers(len(INKS))]) for _ in lengths]
        things = [(noun, ink, (y, x), length) for (noun, ink), (y, x), length in zip(names, places, lengths, strict=True)]
        made.append(content(*things, usual=usual_px(SIDE_PX, (0.22, 0.46))))
    return made
