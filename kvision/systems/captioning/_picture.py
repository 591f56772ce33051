"""Draws a picture with its caption, and once more for each word with where the network looked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFont

from kvision.engine import film

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.engine.film import Film

SMALLEST_PX, LARGEST_PX, TILE_PX = 128, 224, 96
GAP_PX, LINE_PX, COLUMNS = 6, 18, 6
LEAST_PX = 320
"""Least width, so that a caption has room."""
FPS = 1.5
"""Words a second of a film."""
SHARE = 0.6
"""Of the colour of the heat; the rest is the picture in grey."""
BACKDROP, INK, SOFT = (255, 255, 255), (32, 32, 32), (110, 118, 129)

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def captioned(image: np.ndarray, caption: str, references: Sequence[str], words: Sequence[str], looked: np.ndarray | None) -> Image.Image:
    """The picture, its caption, references, and a tile for each word.

    Args:
        image: uint8 `[H, W, 3]`; enlarged by a whole factor if it is small, reduced if it is large.
        caption: What the network says.
        references: What people say, if it is known.
        words: Of the caption, one for each token.
        looked: `[T, h, w]`, where the network looked at each word, over the square that the picture was brought into; none: it does not tell.

    Returns:
        RGB.
    """
    picture = _fitted(Image.fromarray(image))
    tiles = [] if looked is None else [_tile(image, word, each) for word, each in zip(words, looked, strict=False)]
    columns = min(COLUMNS, len(tiles))
    width = max(LEAST_PX, picture.width, columns * (TILE_PX + GAP_PX) - GAP_PX)
    font = ImageFont.load_default(13)
    lines = [(line, INK) for line in _wrapped(caption or "(nothing)", font, width)]
    lines += [(line, SOFT) for reference in references for line in _wrapped(f"reference: {reference}", font, width)]
    below = picture.height + GAP_PX + LINE_PX * len(lines) + GAP_PX
    rows = math.ceil(len(tiles) / columns) if tiles else 0
    canvas = Image.new("RGB", (width, below + rows * (TILE_PX + LINE_PX + GAP_PX)), BACKDROP)
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    for number, (line, colour) in enumerate(lines):
        draw.text((0, picture.height + GAP_PX + number * LINE_PX), line, colour, font)
    for number, tile in enumerate(tiles):
        canvas.paste(tile, (number % columns * (TILE_PX + GAP_PX), below + number // columns * (tile.height + GAP_PX)))
    return canvas


def filmed(image: np.ndarray, words: Sequence[str], looked: np.ndarray) -> Film:
    """Where the network looked, word after word, over the sentence as far as it goes.

    Args:
        image: uint8 `[H, W, 3]`.
        words: Of the caption, one for each token, at least one.
        looked: `[T, h, w]`, where the network looked at each word.

    Returns:
        A frame for each word.
    """
    square, font = squared(image, LEAST_PX), ImageFont.load_default(13)
    num_lines = len(_wrapped(" ".join(words), font, LEAST_PX))
    frames = []
    for number, where in enumerate(looked[: len(words)], start=1):
        frame = Image.new("RGB", (LEAST_PX, LEAST_PX + GAP_PX + LINE_PX * num_lines), BACKDROP)
        frame.paste(heated(square, where), (0, 0))
        for line, text in enumerate(_wrapped(" ".join(words[:number]), font, LEAST_PX)):
            ImageDraw.Draw(frame).text((0, LEAST_PX + GAP_PX + line * LINE_PX), text, INK, font)
        frames.append(np.asarray(frame))
    return film.of(frames, FPS)


def heated(square: Image.Image, looked: np.ndarray) -> Image.Image:
    """A square picture in grey under where the network looked `[h, w]`, the most in yellow."""
    share = np.asarray(Image.fromarray((looked / max(float(looked.max()), 1e-12)).astype(np.float32)).resize(square.size, Image.Resampling.BICUBIC))
    colours = colormaps["inferno"](np.clip(share, 0.0, 1.0))[..., :3] * 255
    grey = np.asarray(square.convert("L"), np.float64)[..., None]
    return Image.fromarray(np.round(SHARE * colours + (1 - SHARE) * grey).astype(np.uint8))


def squared(image: np.ndarray, side_px: int) -> Image.Image:
    """A picture as a network sees it that is given the whole of it: padded evenly to a square."""
    height, width = image.shape[:2]
    longest = max(height, width)
    square = Image.new("RGB", (longest, longest), SOFT)
    square.paste(Image.fromarray(image), ((longest - width) // 2, (longest - height) // 2))
    return square.resize((side_px, side_px), Image.Resampling.BILINEAR)


def _tile(image: np.ndarray, word: str, looked: np.ndarray) -> Image.Image:
    """The word above its heat."""
    tile = Image.new("RGB", (TILE_PX, TILE_PX + LINE_PX), BACKDROP)
    ImageDraw.Draw(tile).text((0, 0), word, INK, ImageFont.load_default(13))
    tile.paste(heated(squared(image, TILE_PX), looked), (0, LINE_PX))
    return tile


def _fitted(picture: Image.Image) -> Image.Image:
    if picture.width < SMALLEST_PX:
        factor = math.ceil(SMALLEST_PX / picture.width)
        return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    picture.thumbnail((LARGEST_PX, LARGEST_PX), Image.Resampling.LANCZOS)
    return picture


def _wrapped(text: str, font: _Font, width: int) -> list[str]:
    """The text in lines that fit; a word that does not is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    return lines
