"""Boxes `[N, 4]` as ymin, xmin, ymax, xmax in pixels; rows of padding are all -1."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Mapping


def area(boxes: tf.Tensor) -> tf.Tensor:
    """Area `[N]` in square pixels of boxes `[N, 4]`; 0 for empty ones and for padding."""
    sides = tf.maximum(boxes[..., 2:] - boxes[..., :2], 0.0)
    return sides[..., 0] * sides[..., 1]


def clip(boxes: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Boxes `[N, 4]` cut to a picture of `height` x `width` pixels."""
    return tf.clip_by_value(boxes, 0.0, tf.constant([height, width, height, width], tf.float32))


def keep_visible(example: Mapping[str, tf.Tensor], moved: tf.Tensor, height: int, width: int, share: float) -> dict[str, tf.Tensor]:
    """Boxes after a move: cut to the picture, and dropped when too little of them is left.

    Args:
        example: `boxes` float32 `[N, 4]` as before the move, and `labels`, `order` int32 `[N]` if there are any.
        moved: The boxes float32 `[N, 4]` as after the move, not yet cut.
        height: Height of the picture, pixels.
        width: Width of the picture, pixels.
        share: Smallest share of a moved box's area that must lie in the picture.

    Returns:
        `boxes`, `labels` and `order` of the same shapes; rows that were dropped are -1. Places are kept, so that row i stays instance i + 1.
    """
    inside = clip(moved, height, width)
    keep = (area(inside) > 0.0) & (area(inside) >= share * area(moved)) & (example["boxes"][:, 2] >= 0.0)
    out = {"boxes": tf.where(keep[:, None], inside, -1.0)}
    for name in ("labels", "order"):
        if name in example:
            out[name] = tf.where(keep, example[name], -1)
    return out


def outline(boxes: tf.Tensor, points: int = 32) -> tf.Tensor:
    """Points on the ellipse inscribed in each box, in pixel coordinates where the middle of the first pixel is `(0, 0)`.

    A turned object's new box is better told from the ellipse than from the box's corners, which make it too large (Kalra 2021, Towards rotation
    invariance in object detection). Moves along the axes stay exact, because the ellipse touches all four sides.

    Args:
        boxes: `[N, 4]`.
        points: P, a multiple of 4.

    Returns:
        `[N, P, 2]` as (y, x).
    """
    angle = tf.range(points, dtype=tf.float32) * (2 * math.pi / points)
    circle = tf.stack([tf.sin(angle), tf.cos(angle)], axis=-1)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    return middle[:, None] + half[:, None] * circle


def around(points: tf.Tensor) -> tf.Tensor:
    """The boxes `[N, 4]` around points `[N, P, 2]`; the inverse of `outline`."""
    return tf.concat([tf.reduce_min(points, axis=1), tf.reduce_max(points, axis=1)], axis=-1) + 0.5


def mirrored(boxes: tf.Tensor, size: int, axis: int) -> tf.Tensor:
    """Boxes `[N, 4]` after the picture was flipped along axis 0 (up-down) or 1 (left-right), where it is `size` pixels long."""
    low, high = size - boxes[:, 2 + axis], size - boxes[:, axis]
    kept = (boxes[:, 1 - axis], boxes[:, 3 - axis])
    columns = [low, kept[0], high, kept[1]] if axis == 0 else [kept[0], low, kept[1], high]
    return tf.where(boxes[:, 2:3] >= 0.0, tf.stack(columns, axis=-1), boxes)
