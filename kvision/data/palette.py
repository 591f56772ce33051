"""Colours for classes: black background, then hues that neighbours in the list can be told apart by."""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]

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
