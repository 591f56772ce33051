"""`tf.image.resize` in numpy, to the last bit: the same taps, the same float32 sums in the same order.

Antialiased (TensorFlow's ScaleAndTranslate with a triangle), an output pixel is a weighted mean of the input pixels under a triangle around its
centre, whose half width is one output pixel, or one input pixel where the picture grows; rows come first, then columns. Interpolated (its
ResizeBilinear with half-pixel centres), it lies between four input pixels; columns come first, then rows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Iterable, Tuple

import numpy as np

_STRIP_VALUES = 1 << 15
"""Values kept at once while classes are scaled up: they should fit into a processor's cache."""


@lru_cache(maxsize=256)
def spans(size: int, wanted: int) -> Tuple[np.ndarray, np.ndarray]:
    """Which input pixels make each antialiased output pixel, along one dimension.

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


@lru_cache(maxsize=256)
def between(size: int, wanted: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Between which input pixels each interpolated output pixel lies, along one dimension.

    Args:
        size: Pixels there are, N.
        wanted: Pixels to make, M.

    Returns:
        The pixel before it and the one behind it, int64 `[M]`, and its share of the way between them, float32 `[M]`.
    """
    f32 = np.float32
    place = (np.arange(wanted, dtype=f32) + f32(0.5)) * (f32(size) / f32(wanted)) - f32(0.5)
    before = np.floor(place)
    return np.maximum(before, 0).astype(np.int64), np.minimum(np.ceil(place), size - 1).astype(np.int64), place - before


def antialiased(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """`tf.image.resize(..., antialias=True)`.

    Args:
        picture: `[H, W, C]`, uint8 or float32.
        height: Wanted height, pixels.
        width: Wanted width, pixels.

    Returns:
        float32 `[height, width, C]`.
    """
    rows = _filtered(picture.reshape(picture.shape[0], -1), height).reshape(height, *picture.shape[1:])
    return np.ascontiguousarray(_filtered(rows.transpose(1, 0, 2), width).transpose(1, 0, 2))


def interpolated(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """`tf.image.resize(...)`: `picture` float32 `[H, W, C]` as float32 `[height, width, C]`."""
    return _mixed(_mixed(picture, 1, between(picture.shape[1], width)), 0, between(picture.shape[0], height))


def nearest(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """`tf.image.resize(..., "nearest")`: `picture` `[H, W, ...]` as `[height, width, ...]`."""
    return np.ascontiguousarray(picture[_nearest(picture.shape[0], height)][:, _nearest(picture.shape[1], width)])


def greatest(planes: Iterable[np.ndarray]) -> np.ndarray:
    """Number of the greatest of up to 256 planes at each place, uint8 of a plane's shape; the first of equals. Far quicker than `np.argmax`."""
    each = iter(planes)
    best = next(each).copy()
    found = np.zeros(best.shape, np.uint8)
    for number, plane in enumerate(each, 1):
        np.maximum(found, (plane > best).view(np.uint8) * np.uint8(number), out=found)  # numbers only grow
        np.maximum(best, plane, out=best)
    return found


def grown_classes(scores: np.ndarray, height: int, width: int) -> np.ndarray:
    """The greatest of K scores of each pixel after `interpolated`, without ever holding all the scores of the large picture.

    Args:
        scores: float32 `[h, w, K]`.
        height: Wanted height, pixels.
        width: Wanted width, pixels.

    Returns:
        uint8 `[height, width]`; the first of equals.
    """
    planes = np.ascontiguousarray(np.moveaxis(scores, -1, 0))
    if scores.shape[:2] == (height, width):
        return greatest(planes)
    wide = _mixed(planes, 2, between(scores.shape[1], width))
    before, behind, share = between(scores.shape[0], height)
    strip = max(1, _STRIP_VALUES // width)
    found = np.empty((height, width), np.uint8)
    for top in range(0, height, strip):
        part = slice(top, top + strip)
        places = before[part], behind[part], share[part]
        found[part] = greatest(_mixed(plane, 0, places) for plane in wide)
    return found


def _filtered(values: np.ndarray, wanted: int) -> np.ndarray:
    """Antialiased along the first dimension, float32."""
    size = values.shape[0]
    if size == wanted:
        return values.astype(np.float32, copy=False)
    first, weights = spans(size, wanted)
    out = np.zeros((wanted, *values.shape[1:]), np.float32)
    across = (slice(None),) + (None,) * (values.ndim - 1)
    for tap in range(weights.shape[1]):
        if weights[:, tap].any():
            out += weights[:, tap][across] * values[np.minimum(first + tap, size - 1)]
    return out


def _mixed(values: np.ndarray, axis: int, places: Tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Interpolated along one dimension, float32."""
    before, behind, share = places
    low, mixed = np.take(values, before, axis), np.take(values, behind, axis)
    mixed -= low
    mixed *= share.reshape([-1 if axis == each else 1 for each in range(values.ndim)])
    mixed += low
    return mixed


def _nearest(size: int, wanted: int) -> np.ndarray:
    f32 = np.float32
    centres = (np.arange(wanted, dtype=f32) + f32(0.5)) * (f32(size) / f32(wanted))
    return np.minimum(np.floor(centres).astype(np.int64), size - 1)
