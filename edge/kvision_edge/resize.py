"""`tf.image.resize(..., antialias=True)` in numpy, to the last bit: the same taps, the same float32 sums in the same order.

The kernel is TensorFlow's ScaleAndTranslate with a triangle: an output pixel is a weighted mean of the input pixels under a triangle around its
centre, whose half width is one output pixel, or one input pixel where the picture grows. Rows come first, then columns.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Tuple

import numpy as np

_STRIP_VALUES = 1 << 17
"""Values kept at once while classes are scaled up: they should fit into a processor's cache."""


@lru_cache(maxsize=256)
def spans(size: int, wanted: int) -> Tuple[np.ndarray, np.ndarray]:
    """Which input pixels make each output pixel, along one dimension.

    Args:
        size: Pixels there are, N.
        wanted: Pixels to make, M.

    Returns:
        First input pixel of each output pixel, int64 `[M]`, and the weights of it and of those that follow, float32 `[M, taps]`.
    """
    f32 = np.float32
    step = f32(1.0) / (f32(wanted) / f32(size))
    width = max(step, f32(1.0))
    taps = min(2 * int(np.ceil(width)) + 1, size)
    centre = (np.arange(wanted, dtype=f32) + f32(0.5)) * step
    first = np.clip(np.ceil(centre - width - f32(0.5)).astype(np.int64), 0, size - 1)
    last = np.clip(np.floor(centre + width - f32(0.5)).astype(np.int64), 0, size - 1)
    source = first[:, None] + np.arange(taps)
    distance = np.abs((source.astype(f32) + f32(0.5) - centre[:, None]) * (f32(1.0) / width))
    weights = np.where((source <= last[:, None]) & (distance < f32(1.0)), f32(1.0) - distance, f32(0.0))
    total = np.cumsum(weights, axis=1, dtype=f32)[:, -1:]  # one after the other, as TensorFlow adds them
    weights *= f32(1.0) / total
    return first, weights


def bilinear(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scales a picture with antialiasing.

    Args:
        picture: `[H, W, C]`, uint8 or float32.
        height: Wanted height, pixels.
        width: Wanted width, pixels.

    Returns:
        float32 `[height, width, C]`.
    """
    rows = _along(picture.reshape(picture.shape[0], -1), height).reshape(height, *picture.shape[1:])
    return np.ascontiguousarray(_along(rows.transpose(1, 0, 2), width).transpose(1, 0, 2))


def classes(scores: np.ndarray, height: int, width: int) -> np.ndarray:
    """The greatest of K scores of each pixel after `bilinear`, without ever holding all the scores of the large picture.

    Args:
        scores: float32 `[h, w, K]`.
        height: Wanted height, pixels.
        width: Wanted width, pixels.

    Returns:
        uint8 `[height, width]`; the first of equals.
    """
    if scores.shape[:2] == (height, width):
        return np.argmax(scores, axis=-1).astype(np.uint8)
    num_classes = scores.shape[2]
    found = np.empty((height, width), np.uint8)
    strip = max(1, _STRIP_VALUES // (width * num_classes))
    flat = scores.reshape(scores.shape[0], -1)
    for top in range(0, height, strip):
        bottom = min(top + strip, height)
        rows = _along(flat, height, top, bottom).reshape(bottom - top, -1, num_classes)
        columns = _along(np.ascontiguousarray(rows.transpose(1, 2, 0)), width)
        best, chosen = columns[:, 0], np.zeros((width, bottom - top), np.uint8)
        for number in range(1, num_classes):
            better = columns[:, number] > best
            best = np.where(better, columns[:, number], best)
            chosen[better] = number
        found[top:bottom] = chosen.T
    return found


def nearest(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scales `[H, W, ...]` to `[height, width, ...]` by taking the pixel under each new pixel's centre, as TensorFlow's half-pixel centres do."""
    rows = _nearest_indices(picture.shape[0], height)
    return np.ascontiguousarray(picture[rows][:, _nearest_indices(picture.shape[1], width)])


def _nearest_indices(size: int, wanted: int) -> np.ndarray:
    f32 = np.float32
    centres = (np.arange(wanted, dtype=f32) + f32(0.5)) * (f32(size) / f32(wanted))
    return np.minimum(np.floor(centres).astype(np.int64), size - 1)


def _along(values: np.ndarray, wanted: int, start: int = 0, stop: int = -1) -> np.ndarray:
    """Output pixels `start` to `stop` of `wanted` along the first dimension, float32."""
    stop = wanted if stop < 0 else stop
    size = values.shape[0]
    if size == wanted:
        return values[start:stop].astype(np.float32, copy=False)
    first, weights = spans(size, wanted)
    first, weights = first[start:stop], weights[start:stop]
    out = np.zeros((stop - start, *values.shape[1:]), np.float32)
    across = (slice(None),) + (None,) * (values.ndim - 1)
    for tap in range(weights.shape[1]):
        if weights[:, tap].any():
            out += weights[:, tap][across] * values[np.minimum(first + tap, size - 1)]
    return out
