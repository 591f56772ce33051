"""Boxes `[N, 4]` as ymin, xmin, ymax, xmax in pixels; rows of padding are all -1."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf


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
