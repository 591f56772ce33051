"""Where a network looked while it said each word, as one picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Optional, Sequence

import numpy as np
from PIL import Image, ImageDraw

from kvision_edge import resize

if TYPE_CHECKING:
    from kvision_edge.preprocess import Preprocess

TILE_PX, LINE_PX, COLUMNS = 128, 14, 5
DIM = 0.2
"""Brightness of what was not looked at."""


def sheet(image: np.ndarray, preprocess: Preprocess, words: Sequence[str], shares: np.ndarray) -> Optional[Image.Image]:
    """The network's square once for each word, bright where it looked.

    Args:
        image: The picture, uint8 `[H, W, 3]`.
        preprocess: How it came into the square.
        words: One a tile.
        shares: Likewise, `[T, G]`, in rows of a square grid over the square.

    Returns:
        The tiles, up to five in a row, each with its word below; none where G is no square, or there are no words.
    """
    side = math.isqrt(shares.shape[1])
    if side * side != shares.shape[1] or not len(words):
        return None
    square = np.asarray(Image.fromarray(preprocess.place(image)).resize((TILE_PX, TILE_PX), Image.Resampling.BILINEAR), np.float32)
    maps = np.moveaxis(resize.interpolated(np.moveaxis(shares.reshape(-1, side, side), 0, -1), TILE_PX, TILE_PX), -1, 0)
    columns = min(COLUMNS, len(words))
    made = Image.new("RGB", (columns * TILE_PX, -(-len(words) // columns) * (TILE_PX + LINE_PX)), "white")
    pen = ImageDraw.Draw(made)
    for number, (word, seen) in enumerate(zip(words, maps)):
        left, top = number % columns * TILE_PX, number // columns * (TILE_PX + LINE_PX)
        light = DIM + (1 - DIM) * seen / max(float(seen.max()), 1e-12)
        made.paste(Image.fromarray(np.clip(square * light[..., None], 0, 255).astype(np.uint8)), (left, top))
        pen.text((left + 2, top + TILE_PX + 1), word.encode("latin-1", "replace").decode("latin-1"), "black")  # all that the built-in font has
    return made
