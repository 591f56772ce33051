"""Draws an image beside its true classes and the most probable ones, with a bar for each probability."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALLEST_PX, LARGEST_PX = 112, 224
SHOWN = 3
PANEL_PX, GAP_PX, LINE_PX, BAR_PX, ROW_PX, TITLE_PX = 200, 6, 18, 7, 32, 23
BACKDROP, INK, SOFT, TROUGH = (255, 255, 255), (32, 32, 32), (110, 118, 129), (232, 235, 239)
RIGHT, WRONG, NEUTRAL = (22, 163, 74), (234, 88, 12), (59, 130, 246)

Colour = tuple[int, int, int]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def beside(image: np.ndarray, probabilities: np.ndarray, truth: Sequence[int] | None, names: Sequence[str], *, several: bool) -> Image.Image:
    """The image on the left; on the right the truth, if known, above the most probable classes.

    A bar is green where the class is true and orange where the answer is yes though the class is not true; blue where nothing is known or the
    answer is no. The answer is yes for the most probable class, or, of several, for each with a probability above one half.

    Args:
        image: uint8 `[H, W, 3]`; enlarged by a whole factor if it is narrower than `SMALLEST_PX`, reduced if it is larger than `LARGEST_PX`.
        probabilities: `[K]`.
        truth: Numbers of the true classes; none: not known.
        names: K class names.
        several: Whether an image may have several classes.

    Returns:
        An RGB picture.
    """
    picture = _fitted(image)
    order = np.argsort(-probabilities, kind="stable")[:SHOWN].tolist()
    height = TITLE_PX * (truth is not None) + len(order) * ROW_PX - GAP_PX
    canvas = Image.new("RGB", (picture.width + PANEL_PX + 3 * GAP_PX, max(picture.height, height + GAP_PX)), BACKDROP)
    canvas.paste(picture, (0, (canvas.height - picture.height) // 2))
    panel = _Panel(ImageDraw.Draw(canvas), picture.width + 2 * GAP_PX, (canvas.height - height) // 2)
    if truth is not None:
        panel.title(", ".join(names[number] for number in truth) or "none", probabilities[truth[0]] if len(truth) == 1 else None)
    for place, number in enumerate(order):
        answered = probabilities[number] > 0.5 if several else place == 0
        colour = NEUTRAL if truth is None else RIGHT if number in truth else WRONG if answered else NEUTRAL
        panel.row(names[number], float(probabilities[number]), colour)
    return canvas


class _Panel:
    """Lines of text and bars, one below the other."""

    def __init__(self, draw: ImageDraw.ImageDraw, left: int, top: int) -> None:
        self._draw, self._left, self._top = draw, left, top
        self._font = ImageFont.load_default(13)

    def title(self, truth: str, probability: float | None) -> None:
        """The true classes, and what probability the only one has."""
        self._line("truth", truth, "" if probability is None else _percent(probability))
        self._top += TITLE_PX - LINE_PX

    def row(self, name: str, probability: float, colour: Colour) -> None:
        """A class, its probability, and the bar; a probability that is not a number fills nothing."""
        self._line("", name, _percent(probability))
        right, bottom = self._left + PANEL_PX - 1, self._top + BAR_PX - 1
        self._draw.rounded_rectangle((self._left, self._top, right, bottom), 3, TROUGH)
        filled = round(np.nan_to_num(probability) * PANEL_PX)
        if filled:
            self._draw.rounded_rectangle((self._left, self._top, self._left + max(filled, 4) - 1, bottom), 3, colour)
        self._top += ROW_PX - LINE_PX

    def _line(self, label: str, text: str, percent: str) -> None:
        """A label, a text cut to the room that is left, and a number on the right."""
        begin = math.ceil(self._font.getlength(f"{label}  ")) if label else 0
        room = PANEL_PX - begin - (math.ceil(self._font.getlength(percent)) + 8 if percent else 0)
        self._draw.text((self._left, self._top), label, SOFT, self._font)
        self._draw.text((self._left + begin, self._top), _cut(text, self._font, room), INK, self._font)
        self._draw.text((self._left + PANEL_PX - 1, self._top), percent, SOFT, self._font, anchor="ra")
        self._top += LINE_PX


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f} %"


def _fitted(image: np.ndarray) -> Image.Image:
    """The image at a size that can be looked at: small ones with sharp pixels, large ones smooth."""
    picture = Image.fromarray(image)
    factor = math.ceil(SMALLEST_PX / max(picture.size))
    if factor > 1:
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    picture.thumbnail((LARGEST_PX, LARGEST_PX), Image.Resampling.LANCZOS)
    return picture


def _cut(text: str, font: _Font, width: int) -> str:
    """The text, shortened to a width in pixels."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip()}…"
