"""A field of cells: moving about on it, and its picture.

A cell is a number `row * columns + column`, int32; -1 is no cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np

    from kvision.data.environments.environment import State

Colour = tuple[int, int, int]
LEFT, DOWN, RIGHT, UP = (0, -1), (1, 0), (0, 1), (-1, 0)
MOVES = (LEFT, DOWN, RIGHT, UP)
"""Rows and columns that an action goes on, in the order of Gymnasium's FrozenLake."""
GROUND: Colour = (24, 26, 32)
SIDE_PX = 320
"""About as long is the longer side of a picture for a person, pixels."""


def moved(cell: tf.Tensor, down: tf.Tensor | int, right: tf.Tensor | int, size: int) -> tf.Tensor:
    """The cell so many rows further down and columns further right, on a square field that goes on at the other side."""
    return (cell // size + down) % size * size + (cell % size + right) % size


def paint(layers: Sequence[tuple[tf.Tensor, Colour]], rows: int, columns: int, ground: Colour = GROUND) -> tf.Tensor:
    """A pixel for each cell.

    Args:
        layers: Cells `[N, M]` and their colour; a later layer hides those before it.
        rows: H.
        columns: W.
        ground: Colour of all other cells.

    Returns:
        Pictures uint8 `[N, H, W, 3]`.
    """
    colours = tf.constant([ground, *(colour for _, colour in layers)], tf.uint8)
    shown = tf.zeros([tf.shape(layers[0][0])[0], rows * columns], tf.int32)
    for number, (cells, _) in enumerate(layers, start=1):
        here = tf.reduce_any(tf.equal(cells[:, :, None], tf.range(rows * columns)), axis=1)
        shown = tf.where(here, number, shown)
    return tf.reshape(tf.gather(colours, shown), [-1, rows, columns, 3])


def drawn(observe: Callable[[State], tf.Tensor], state: Mapping[str, np.ndarray]) -> np.ndarray:
    """What one lane shows, for a person; its state without the lanes' axis."""
    return enlarged(observe({name: tf.constant(value)[None] for name, value in state.items()})[0].numpy())


def enlarged(picture: np.ndarray) -> np.ndarray:
    """A picture uint8 `[H, W, 3]` for a person, each pixel a square of about `SIDE_PX` in all."""
    factor = max(1, SIDE_PX // max(picture.shape[:2]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)
