"""Pictures that keep their resolution (`data.fit: crop`), in overlapping tiles of the network's square: what `kvision predict --tile` does.

Of each overlap the outer quarter is thrown away, and the tiles are blended by a raised cosine over the half in the middle.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Callable, Iterator, List

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]
"""From a tile `[1, T, T, 3]` to its scores float32 `[T, T, K]`."""


def padded(length: int, size: int, stride_px: int) -> int:
    """The smallest multiple of the stride that holds `length` and a tile of `size`."""
    return -(-max(length, size) // stride_px) * stride_px


def starts(length: int, size: int, stride_px: int) -> List[int]:
    """Where tiles of `size` begin along a padded side, overlapping by a quarter; the last one ends with it."""
    last = length - size
    return [*range(0, last, (size - size // 4) // stride_px * stride_px), last]


@lru_cache(maxsize=16)
def ramp(size: int, first: bool, last: bool) -> np.ndarray:
    """Weights along a side of a tile, float32 `[T]`; those of two neighbours add up to 1. `first`, `last`: there is no neighbour."""
    overlap, weights = size // 4, np.ones(size)
    if overlap:
        rise = 0.5 - 0.5 * np.cos(np.pi * np.clip((np.arange(size) + 0.5 - overlap / 4) / (overlap / 2), 0.0, 1.0))
        weights = weights if first else np.minimum(weights, rise)
        weights = weights if last else np.minimum(weights, rise[::-1])
    return weights.astype(np.float32)


def strips(canvas: np.ndarray, size: int, stride_px: int, predict: Predict) -> Iterator[np.ndarray]:
    """Predicts a picture tile by tile, in memory for one row of tiles.

    Args:
        canvas: `[H, W, 3]`, its sides as `padded` has them.
        size: Side T of a tile.
        stride_px: Of the network; tiles begin at multiples of it.
        predict: The network.

    Yields:
        float32 `[h, W, K]`: strips from top to bottom, which together are H high.
    """
    height, width = canvas.shape[:2]
    tops, lefts = starts(height, size, stride_px), starts(width, size, stride_px)
    weights, sums = np.zeros((size, width, 1), np.float32), np.zeros((size, width, 1), np.float32)
    for row, top in enumerate(tops):
        vertical = ramp(size, row == 0, row == len(tops) - 1)[:, None]
        for place, left in enumerate(lefts):
            window = (vertical * ramp(size, place == 0, place == len(lefts) - 1)[None])[..., None]
            scores = predict(np.ascontiguousarray(canvas[None, top : top + size, left : left + size]))
            if sums.shape[2] != scores.shape[2]:  # K shows with the first prediction
                sums = np.zeros((size, width, scores.shape[2]), np.float32)
            sums[:, left : left + size] += window * scores
            weights[:, left : left + size] += window
        done = (tops[row + 1] if row + 1 < len(tops) else height) - top
        yield sums[:done] / weights[:done]
        for values in (sums, weights):
            values[:-done] = values[done:].copy()
            values[-done:] = 0.0
