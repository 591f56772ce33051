"""Texts as pictures, for the report's pages."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kvision.data.text.vocabulary import PAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.text.vocabulary import Vocabulary

INK, GREY, GREEN, RED = (20, 20, 20), (130, 130, 130), (20, 120, 60), (180, 40, 40)
_WIDTH_PX, _MARGIN_PX, _SIZE_PX = 420, 10, 13
_COLUMNS = 56
_CELL_PX = 16
Part = tuple[str, str, tuple[int, int, int]]
"""A heading, a text, and the text's colour."""


def page(parts: Sequence[Part]) -> Image.Image:
    """Texts one below the other, wrapped, each under its heading.

    Args:
        parts: What to write.

    Returns:
        RGB, as high as the texts need.
    """
    font = ImageFont.load_default(_SIZE_PX)
    lines = [line for heading, text, colour in parts for line in ((heading, GREY), *((each, colour) for each in _wrapped(text)), ("", INK))]
    height = _SIZE_PX + 4
    made = Image.new("RGB", (_WIDTH_PX, 2 * _MARGIN_PX + height * len(lines)), (255, 255, 255))
    draw = ImageDraw.Draw(made)
    for row, (line, colour) in enumerate(lines):
        draw.text((_MARGIN_PX, _MARGIN_PX + row * height), line, fill=colour, font=font)
    return made


def _wrapped(text: str) -> list[str]:
    """Lines short enough; what is empty is shown as such."""
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, _COLUMNS, drop_whitespace=False) or [""]]
    return lines or ["(empty)"]


def with_attention(page: Image.Image, alpha: np.ndarray, vocabulary: Vocabulary, read: np.ndarray, wrote: np.ndarray) -> Image.Image:
    """A page, and below it where the decoder looked.

    Args:
        page: Of `page`.
        alpha: `[T, S]`, the share of each place that was read, at each piece that was written.
        vocabulary: What the numbers mean.
        read: Numbers `[S]`.
        wrote: Numbers `[T]`.

    Returns:
        RGB; a row for each piece written, a column for each one read, dark where it looked.
    """
    columns, rows = ([vocabulary.tokens[number] for number in numbers if number != PAD] for numbers in (read, wrote))
    grid = np.asarray(alpha)[: len(rows), : len(columns)]
    left, top, cell = _MARGIN_PX + _CELL_PX, page.height + _CELL_PX, _CELL_PX
    made = Image.new("RGB", (max(page.width, left + cell * len(columns) + _MARGIN_PX), top + cell * len(rows) + _MARGIN_PX), (255, 255, 255))
    made.paste(page, (0, 0))
    shades = Image.fromarray(np.rint(255 * (1 - grid)).astype(np.uint8)).resize((cell * len(columns), cell * len(rows)), Image.Resampling.NEAREST)
    made.paste(shades.convert("RGB"), (left, top))
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(_SIZE_PX - 3)
    for place, piece in enumerate(columns):
        draw.text((left + place * cell + 2, top - cell), piece[:2], fill=GREY, font=font)
    for place, piece in enumerate(rows):
        draw.text((_MARGIN_PX, top + place * cell), piece[:2], fill=INK, font=font)
    return made
