"""Colours for classes: black background, then hues that neighbours in the list can be told apart by; and how they are laid over a picture."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Colour = tuple[int, int, int]

IGNORED: Colour = (128, 128, 128)
"""What stands for pixels that are not counted."""
OPACITY = 0.55
"""Of the colours over a picture."""

_GOLDEN = 0.61803398875
"""Steps of the golden ratio around the colour circle never come close to an earlier step soon."""


def palette(num_classes: int) -> tuple[Colour, ...]:
    """One colour `(r, g, b)`, 0-255, for each class; the first, the background, is black."""
    colours: list[Colour] = [(0, 0, 0)]
    for number in range(num_classes - 1):
        value = (1.0, 0.75, 0.9)[number % 3]
        r, g, b = colorsys.hsv_to_rgb((number * _GOLDEN) % 1.0, (0.85, 0.6)[number % 2], value)
        colours.append((round(255 * r), round(255 * g), round(255 * b)))
    return tuple(colours[:num_classes])


def table(colours: Sequence[Colour]) -> np.ndarray:
    """The colour of every value that a mask may hold, uint8 `[256, 3]`: those of the K classes, `IGNORED` for the rest."""
    found = np.full((256, 3), IGNORED, np.uint8)
    found[: len(colours)] = colours
    return found


def overlay(image: np.ndarray, classes: np.ndarray, colours: Sequence[Colour]) -> np.ndarray:
    """The image with each class in its colour over it; the first class, the background, is left as it is.

    Args:
        image: uint8 `[H, W, 3]`.
        classes: Class numbers uint8 `[H, W]`; 255 is drawn grey.
        colours: Those of the K classes.

    Returns:
        uint8 `[H, W, 3]`.
    """
    opacity = np.where(classes == 0, 0.0, OPACITY).astype(np.float32)[..., None]
    return np.rint(image * (1 - opacity) + table(colours)[classes] * opacity).astype(np.uint8)
