"""Warping pictures: where each pixel of the result is looked up, and where points of the original go.

Points are `(y, x)` in pixels with the middle of the first pixel at `(0, 0)`, so a picture spans -0.5 to H - 0.5. A warp looks up the result's
pixel p at `affine(lens(p)) + displacement(p)`; `forward` goes the other way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Sequence

INVERSION_STEPS = 6


@dataclass(frozen=True)
class Warp:
    """Where a warp looks up the pixels of its result.

    Attributes:
        matrix: `[2, 3]`, from points of the result to points of the original.
        lens: Radial coefficient, scalar; 0 for none.
        displacement: `[H, W, 2]` in pixels (dy, dx), or none.
    """

    matrix: tf.Tensor
    lens: tf.Tensor
    displacement: tf.Tensor | None = None


def affine(height: int, width: int, angle: tf.Tensor, zoom: tf.Tensor, shear: tf.Tensor, centre: tf.Tensor) -> tf.Tensor:
    """Lookup matrix of a picture that is zoomed, then sheared, then turned.

    Args:
        height: H, pixels.
        width: W, pixels.
        angle: Counter-clockwise turn as it looks on the screen, radians, scalar.
        zoom: Factor above 0, scalar; 2 shows half of the picture at twice its size.
        shear: Angle by which vertical lines lean to the left at the top, radians, scalar.
        centre: `[2]` in -1..1: where the window that the zoom leaves lies in the room that it has; 0 the middle.

    Returns:
        `[2, 3]`, from `(y, x, 1)` of the result to `(y, x)` of the original.
    """
    cos, sin, lean = tf.cos(angle), tf.sin(angle), tf.tan(shear)
    turn_back = tf.reshape(tf.stack([cos, sin, -sin, cos]), [2, 2])
    shear_back = tf.reshape(tf.stack([1.0, 0.0, -lean, 1.0]), [2, 2])
    linear = tf.matmul(shear_back, turn_back) / zoom
    middle = tf.constant([(height - 1) / 2, (width - 1) / 2], tf.float32)
    room = tf.constant([height / 2, width / 2], tf.float32) * (1.0 - 1.0 / zoom)
    offset = middle + centre * room - tf.linalg.matvec(linear, middle)
    return tf.concat([linear, offset[:, None]], axis=1)


def about_middle(height: int, width: int, linear: Sequence[Sequence[tf.Tensor | float]]) -> tf.Tensor:
    """Lookup matrix `[2, 3]` of a linear map, rows (y, x), that leaves the picture's middle where it is."""
    matrix = tf.stack([tf.stack([tf.cast(entry, tf.float32) for entry in row]) for row in linear])
    middle = tf.constant([(height - 1) / 2, (width - 1) / 2], tf.float32)
    return tf.concat([matrix, (middle - tf.linalg.matvec(matrix, middle))[:, None]], axis=1)


def moved(down_px: tf.Tensor, right_px: tf.Tensor) -> tf.Tensor:
    """Lookup matrix `[2, 3]` of a picture that is moved down and to the right; whole pixels blur nothing."""
    return tf.concat([tf.eye(2), -tf.stack([down_px, right_px])[:, None]], axis=1)


def composed(second: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """Lookup matrix `[2, 3]` of two warps in a row: the result's points go through `first`, then through `second`."""
    linear, offset = second[:, :2], second[:, 2]
    return tf.concat([tf.matmul(linear, first[:, :2]), (tf.linalg.matvec(linear, first[:, 2]) + offset)[:, None]], axis=1)


def lens(points: tf.Tensor, strength: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Radial distortion by the division model, `p (1 + k) / (1 + k r^2)` about the centre, with r = 1 at the corners.

    Unlike the polynomial model it folds nothing over within the picture for |k| < 1.

    Args:
        points: `[..., 2]`.
        strength: k, scalar in -0.5..0.5; below 0 the middle bulges, above 0 it shrinks; the corners stay.
        height: H, pixels.
        width: W, pixels.

    Returns:
        `[..., 2]`.

    References:
        Fitzgibbon 2001, Simultaneous linear estimation of multiple view geometry and lens distortion: the division model.
    """
    middle, radius = _middle_and_radius(height, width)
    from_middle = (points - middle) / radius
    r2 = tf.reduce_sum(from_middle**2, axis=-1, keepdims=True)
    return middle + radius * from_middle / (1.0 + strength * r2) * (1.0 + strength)


def undo_lens(points: tf.Tensor, strength: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Inverse of `lens`: the root of `k s r^2 - r + s = 0` that goes to s for small k.

    Args:
        points: `[..., 2]`, as `lens` gives them.
        strength: k, scalar.
        height: H, pixels.
        width: W, pixels.

    Returns:
        `[..., 2]`.
    """
    middle, radius = _middle_and_radius(height, width)
    from_middle = (points - middle) / (radius * (1.0 + strength))
    s2 = tf.reduce_sum(from_middle**2, axis=-1, keepdims=True)
    root = tf.sqrt(tf.maximum(1.0 - 4.0 * strength * s2, 0.0))
    return middle + radius * from_middle * 2.0 / (1.0 + root)


def smooth_displacement(height: int, width: int, largest_px: float, cell_px: int, seed: tf.Tensor) -> tf.Tensor:
    """A smooth random displacement field: uniform random vectors on a coarse grid, interpolated by cubics.

    Args:
        height: H, pixels.
        width: W, pixels.
        largest_px: Largest displacement along each axis, pixels.
        cell_px: Distance of the grid's points, pixels; plays the part of the Gaussian's width in Simard 2003, section 2.
        seed: Integers `[2]`.

    Returns:
        `[H, W, 2]` in pixels.
    """
    cells = [math.ceil(height / cell_px) + 1, math.ceil(width / cell_px) + 1]
    coarse = tf.random.stateless_uniform([1, *cells, 2], seed, -largest_px, largest_px)
    fine = tf.image.resize(coarse, [height, width], method="bicubic")[0]
    return tf.clip_by_value(fine, -largest_px, largest_px)


def lookup(warp: Warp, height: int, width: int) -> tf.Tensor:
    """Points of the original, `[H, W, 2]`, that the pixels of the result are taken from."""
    rows, cols = tf.meshgrid(tf.range(height, dtype=tf.float32), tf.range(width, dtype=tf.float32), indexing="ij")
    points = lens(tf.stack([rows, cols], axis=-1), warp.lens, height, width)
    matrix = warp.matrix
    points = points[..., :1] * matrix[:, 0] + points[..., 1:] * matrix[:, 1] + matrix[:, 2]
    return points if warp.displacement is None else points + warp.displacement


def forward(points: tf.Tensor, warp: Warp, height: int, width: int) -> tf.Tensor:
    """Where points of the original lie in the result: the inverse of `lookup`, by fixed-point iteration where there is a displacement.

    Args:
        points: `[N, 2]`.
        warp: The warp.
        height: H, pixels.
        width: W, pixels.

    Returns:
        `[N, 2]`.
    """
    inverse = tf.linalg.inv(warp.matrix[:, :2])

    def back(moved: tf.Tensor) -> tf.Tensor:
        return undo_lens(tf.linalg.matvec(inverse, moved - warp.matrix[:, 2]), warp.lens, height, width)

    found = back(points)
    if warp.displacement is not None:
        for _ in range(INVERSION_STEPS):
            found = back(points - sample_bilinear(warp.displacement, found))
    return found


def sample_bilinear(image: tf.Tensor, points: tf.Tensor) -> tf.Tensor:
    """Bilinear values of a picture at points; beyond its edges it is mirrored.

    Args:
        image: `[H, W, C]`, static H and W.
        points: `[..., 2]`.

    Returns:
        `[..., C]`.
    """
    height, width, channels = image.shape
    y, x = _mirror(points[..., 0], height), _mirror(points[..., 1], width)
    top, left = tf.floor(y), tf.floor(x)
    dy, dx = (y - top)[..., None], (x - left)[..., None]
    above, before = tf.cast(top, tf.int32), tf.cast(left, tf.int32)
    below, after = tf.minimum(above + 1, height - 1), tf.minimum(before + 1, width - 1)
    flat = tf.reshape(image, [-1, channels])

    def at(row: tf.Tensor, col: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.gather(flat, row * width + col), tf.float32)

    upper = at(above, before) * (1.0 - dx) + at(above, after) * dx
    lower = at(below, before) * (1.0 - dx) + at(below, after) * dx
    return upper * (1.0 - dy) + lower * dy


def sample_nearest(labels: tf.Tensor, points: tf.Tensor, outside: int) -> tf.Tensor:
    """Values of a label picture at the pixels nearest to points; beyond its edges they are `outside`.

    Args:
        labels: `[H, W]`, static H and W.
        points: `[..., 2]`.
        outside: Value beyond the edges.

    Returns:
        `[...]`, dtype of `labels`.
    """
    height, width = labels.shape
    row, col = (tf.cast(tf.floor(points[..., axis] + 0.5), tf.int32) for axis in (0, 1))
    inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    found = tf.gather(tf.reshape(labels, [-1]), tf.where(inside, row * width + col, 0))
    return tf.where(inside, found, tf.constant(outside, labels.dtype))


def _mirror(position: tf.Tensor, size: int) -> tf.Tensor:
    """Positions folded into 0..size - 1, the edge pixel repeated as in `tf.pad(..., "SYMMETRIC")`."""
    folded = tf.math.floormod(position + 0.5, 2.0 * size)
    return tf.clip_by_value(tf.minimum(folded, 2.0 * size - folded) - 0.5, 0.0, size - 1.0)


def _middle_and_radius(height: int, width: int) -> tuple[tf.Tensor, float]:
    """The middle `[2]` of a picture, and the distance of its corners from there."""
    return tf.constant([(height - 1) / 2, (width - 1) / 2], tf.float32), math.hypot(height, width) / 2
