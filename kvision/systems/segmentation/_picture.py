"""Draws an image, its true and its predicted classes side by side, with a legend."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kvision.core.labels import IGNORE_LABEL
from kvision.data.palette import IGNORED, overlay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.source import DataInfo

GAP_PX, LINE_PX, SWATCH_PX = 4, 16, 12
SMALLEST_PX = 96
BACKDROP, INK = (255, 255, 255), (32, 32, 32)


def side_by_side(image: np.ndarray, truth: np.ndarray | None, predicted: np.ndarray, info: DataInfo) -> Image.Image:
    """Image, truth if known, prediction; below them the classes that occur.

    Args:
        image: uint8 `[H, W, 3]`.
        truth: True class numbers `[H, W]`, or none.
        predicted: Predicted class numbers `[H, W]`.
        info: Names and colours of the classes.

    Returns:
        An RGB picture; images narrower than `SMALLEST_PX` are enlarged by a whole factor.
    """
    factor = math.ceil(SMALLEST_PX / image.shape[1])
    image, predicted = _enlarge(image, factor), _enlarge(predicted, factor)
    panels = [("image", image)]
    if truth is not None:
        truth = _enlarge(truth, factor)
        predicted = np.where(truth == IGNORE_LABEL, truth, predicted)  # what is not counted, such as padding, would draw the eye
        panels.append(("truth", overlay(image, truth, info.palette)))
    shown = set(np.unique(predicted).tolist()) | (set(np.unique(truth).tolist()) if truth is not None else set())
    panels.append(("prediction", overlay(image, predicted, info.palette)))
    height, width = image.shape[:2]
    font = ImageFont.load_default(11)
    total = len(panels) * (width + GAP_PX) - GAP_PX
    legend = _legend(sorted(shown), info, font, total)
    rows = 1 + max((row for row, *_ in legend), default=-1)
    canvas = Image.new("RGB", (total, LINE_PX + height + GAP_PX + rows * LINE_PX), BACKDROP)
    draw = ImageDraw.Draw(canvas)
    for number, (title, pixels) in enumerate(panels):
        left = number * (width + GAP_PX)
        draw.text((left, 1), title, INK, font)
        canvas.paste(Image.fromarray(pixels), (left, LINE_PX))
    for row, left, name, colour in legend:
        top = LINE_PX + height + GAP_PX + row * LINE_PX
        draw.rectangle((left, top, left + SWATCH_PX - 1, top + SWATCH_PX - 1), colour, INK)
        draw.text((left + SWATCH_PX + 3, top - 1), name, INK, font)
    return canvas


def indexed(classes: np.ndarray, palette: Sequence[tuple[int, int, int]]) -> Image.Image:
    """Classes uint8 `[H, W]` as a picture whose values are the classes and whose palette shows their colours."""
    height, width = classes.shape
    mask = Image.frombytes("P", (width, height), np.ascontiguousarray(classes).tobytes())
    mask.putpalette([value for colour in palette for value in colour])
    return mask


def _enlarge(pixels: np.ndarray, factor: int) -> np.ndarray:
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def _legend(
    shown: list[int], info: DataInfo, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[tuple[int, int, str, tuple[int, int, int]]]:
    """Row, left edge, name and colour of each class's entry, wrapped to the width."""
    entries, row, left = [], 0, 0
    for number in shown:
        name, colour = ("ignored", IGNORED) if number == IGNORE_LABEL else (info.class_names[number], info.palette[number])
        needed = SWATCH_PX + 3 + math.ceil(font.getlength(name)) + 8
        if left and left + needed > width:
            row, left = row + 1, 0
        entries.append((row, left, name, colour))
        left += needed
    return entries
