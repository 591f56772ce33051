"""Prediction of pictures that are larger than a network's square: overlapping tiles, blended where they overlap, in memory for one row of tiles.

A tile's rim sees less of the picture than its inside. So of each overlap the outer quarter is thrown away, and the tiles are blended by a raised
cosine over the half in the middle: with a receptive field of at most half the overlap the result is that of the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from kvision.core.errors import UsageError

Predict = Callable[[np.ndarray], np.ndarray]
"""From normalised tiles float32 `[B, T, T, 3]` to `[B, T, T, K]`."""


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut.

    Attributes:
        tile_px: Side T of a tile, a multiple of `stride_px`.
        overlap_px: Least overlap of neighbours, under T; a quarter of it at each side is thrown away.
        stride_px: The network's stride; tiles begin at multiples of it, so that its pooling falls on the same pixels everywhere.
        batch: Tiles predicted at once.
    """

    tile_px: int
    overlap_px: int
    stride_px: int = 1
    batch: int = 4

    def __post_init__(self) -> None:
        if self.tile_px < self.stride_px or self.tile_px % self.stride_px:
            lower, upper = self.tile_px // self.stride_px * self.stride_px, -(-self.tile_px // self.stride_px) * self.stride_px
            choice = f"{lower} or {upper}" if lower else f"{upper}"
            raise UsageError(f"--tile {self.tile_px}: the network needs a multiple of {self.stride_px} pixels; use {choice}")
        if not 0 <= self.overlap_px <= self.tile_px - self.stride_px:
            most = self.tile_px - self.stride_px
            raise UsageError(
                f"--overlap {self.overlap_px}: tiles of {self.tile_px} px can overlap by 0 to {most} px; use about a quarter of the tile"
            )

    def starts(self, length: int) -> list[int]:
        """Where tiles begin along a side of `length` pixels (a multiple of the stride, at least a tile); the last tile ends with the picture."""
        step = (self.tile_px - self.overlap_px) // self.stride_px * self.stride_px
        last = length - self.tile_px
        return [*range(0, last, step), last]


def ramp(length: int, overlap: int, *, first: bool, last: bool) -> np.ndarray:
    """Weights along one side of a tile.

    Args:
        length: Pixels T of the side.
        overlap: Pixels shared with a neighbour.
        first: No tile lies before this one: its weights stay 1 up to the edge.
        last: No tile lies behind this one.

    Returns:
        float32 `[T]`: 0 in the outer quarter of an overlap, then half a cosine wave up to 1. The weights of two neighbours add up to 1.
    """
    depth = np.arange(length) + 0.5
    weights = np.ones(length)
    if overlap:
        rise = 0.5 - 0.5 * np.cos(np.pi * np.clip((depth - overlap / 4) / (overlap / 2), 0.0, 1.0))
        weights = weights if first else np.minimum(weights, rise)
        weights = weights if last else np.minimum(weights, rise[::-1])
    return weights.astype(np.float32)


def padded(length: int, stride_px: int, least: int = 0) -> int:
    """The smallest multiple of the stride that is neither below `length` nor below `least`."""
    return -(-max(length, least) // stride_px) * stride_px


def strips(image: np.ndarray, predict: Predict, tiling: Tiling) -> Iterator[np.ndarray]:
    """Predicts a picture tile by tile.

    Args:
        image: Normalised, float32 `[H, W, 3]`; it is padded with 0, the mean colour, at the bottom and on the right.
        predict: The network.
        tiling: How to cut.

    Yields:
        float32 `[h, W, K]`: strips from top to bottom, which together are H high.
    """
    height, width = image.shape[:2]
    size = tiling.tile_px
    full = padded(height, tiling.stride_px, size), padded(width, tiling.stride_px, size)
    canvas = np.pad(image, [(0, full[0] - height), (0, full[1] - width), (0, 0)])
    tops, lefts = tiling.starts(full[0]), tiling.starts(full[1])
    band = _Band(size, full[1])
    for row, top in enumerate(tops):
        vertical = ramp(size, tiling.overlap_px, first=row == 0, last=row == len(tops) - 1)
        for left, place, found in _row(canvas[top : top + size], lefts, predict, tiling):
            horizontal = ramp(size, tiling.overlap_px, first=place == 0, last=place == len(lefts) - 1)
            band.add(left, vertical[:, None] * horizontal[None, :], found)
        below = tops[row + 1] if row + 1 < len(tops) else full[0]
        yield band.take(below - top)[: height - top, :width]


class _Band:
    """Weighted sums of a strip as high as a tile, which moves down the picture."""

    def __init__(self, height: int, width: int) -> None:
        self._weights = np.zeros((height, width, 1), np.float32)
        self._sums: np.ndarray | None = None  # K shows with the first prediction

    def add(self, left: int, window: np.ndarray, found: np.ndarray) -> None:
        """Adds a tile `[T, T, K]`, weighted by `[T, T]`, whose left edge is at `left`."""
        if self._sums is None:
            self._sums = np.zeros((*self._weights.shape[:2], found.shape[-1]), np.float32)
        columns = slice(left, left + window.shape[1])
        self._sums[:, columns] += window[..., None] * found
        self._weights[:, columns] += window[..., None]

    def take(self, rows: int) -> np.ndarray:
        """The finished uppermost rows `[rows, W, K]`; the strip moves down by as many."""
        assert self._sums is not None  # noqa: S101 - a row has at least one tile
        found = self._sums[:rows] / self._weights[:rows]
        for values in (self._sums, self._weights):
            values[:-rows] = values[rows:].copy()
            values[-rows:] = 0.0
        return found


def _row(band: np.ndarray, lefts: list[int], predict: Predict, tiling: Tiling) -> Iterator[tuple[int, int, np.ndarray]]:
    """`(left, place, prediction [T, T, K])` of the tiles of one row, predicted a few at once; the last batch is filled up, so one shape is traced."""
    for start in range(0, len(lefts), tiling.batch):
        chosen = lefts[start : start + tiling.batch]
        tiles = np.stack([band[:, left : left + tiling.tile_px] for left in chosen])
        missing = tiling.batch - len(chosen)
        found = predict(np.pad(tiles, [(0, missing), (0, 0), (0, 0), (0, 0)]))
        yield from ((left, start + number, found[number]) for number, left in enumerate(chosen))
