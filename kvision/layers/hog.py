"""Histograms of oriented gradients as a layer without weights, of operations that every device has in whole numbers.

Paper: Dalal & Triggs 2005, Histograms of Oriented Gradients for Human Detection (CVPR); as `skimage.feature.hog` computes it.
Deviations: none from scikit-image; from the paper, as there: a gradient votes for one orientation and one cell, without interpolation.
Shapes: R, Q rows and columns of cells; M orientations.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf

CLIP = 0.2
"""Largest share of a block's length that one value may have (L2-Hys, Lowe 2004)."""
_EPSILON = 1e-5


@keras.saving.register_keras_serializable("kvision")
class HOG(keras.layers.Layer):
    """In each cell how strong the gradients of each orientation are, normalised over overlapping blocks of cells.

    Of pictures in colour each place has the gradient of the channel where it is greatest. Edges of the picture that fill no cell are left out.

    Args:
        cell_px: Side of a cell, pixels.
        block_cells: Side of a block, cells.
        orientations: M, over half a turn; at least 2.
        **kwargs: As for every Keras layer; `dtype` is float32 whatever the policy.
    """

    def __init__(self, cell_px: int = 8, block_cells: int = 3, orientations: int = 9, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.cell_px = cell_px
        self.block_cells = block_cells
        self.orientations = orientations

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Pictures `[B, H, W, C]`, 0-1, to `[B, D]`: block by block, in it cell by cell, of each the orientations."""
        across, down = strongest(*gradients(inputs))
        cells = histograms(across, down, self.cell_px, self.orientations)
        rows, columns, side = cells.shape[1] - self.block_cells + 1, cells.shape[2] - self.block_cells + 1, range(self.block_cells)
        blocks = tf.concat([cells[:, row : row + rows, column : column + columns] for row in side for column in side], axis=-1)
        return tf.reshape(_normalised(tf.minimum(_normalised(blocks), CLIP)), [-1, math.prod(blocks.shape[1:])])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[B, D]`."""
        batch, height, width, _ = input_shape
        rows, columns = (side // self.cell_px - self.block_cells + 1 for side in (height, width))  # type: ignore[operator]
        return batch, rows * columns * self.block_cells**2 * self.orientations

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        own = {"cell_px": self.cell_px, "block_cells": self.block_cells, "orientations": self.orientations}
        return {**super().get_config(), **own}


def gradients(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Differences of the two neighbours of each place, across and down, both `[B, H, W, C]`; 0 at the edges of the picture."""
    across = tf.pad(image[:, :, 2:] - image[:, :, :-2], [[0, 0], [0, 0], [1, 1], [0, 0]])
    down = tf.pad(image[:, 2:] - image[:, :-2], [[0, 0], [1, 1], [0, 0], [0, 0]])
    return across, down


def strongest(across: tf.Tensor, down: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradient of the channel in which it is longest, of equal ones the first: from `[B, H, W, C]` twice to `[B, H, W, 1]` twice."""
    squares = across * across + down * down  # a device has no `square` in whole numbers
    best, *others = zip(*(tf.split(each, across.shape[-1], axis=-1) for each in (squares, across, down)), strict=True)
    for other in others:
        longer = other[0] > best[0]
        best = tuple(tf.where(longer, theirs, ours) for theirs, ours in zip(other, best, strict=True))
    return best[1], best[2]


def histograms(across: tf.Tensor, down: tf.Tensor, cell_px: int, orientations: int) -> tf.Tensor:
    """How strong the gradients of each orientation are, the mean over each cell.

    An orientation is found without its angle: it lies between two edges where the gradient is on the one side of the first and on the other side of
    the second, which are signs of cross products.

    Args:
        across: Gradients `[B, H, W, 1]`.
        down: Likewise.
        cell_px: Side of a cell, pixels.
        orientations: M.

    Returns:
        `[B, R, Q, M]`.
    """
    angles = np.pi * np.arange(1, orientations) / orientations
    inner = down * np.cos(angles).astype(np.float32) - across * np.sin(angles).astype(np.float32)
    from_first = tf.concat([down, inner], axis=-1)  # the first edge lies across, and so does the last, turned round
    to_second = tf.concat([inner, -1.0 * down], axis=-1)
    within = ((from_first >= 0.0) & (to_second < 0.0)) | ((from_first <= 0.0) & (to_second > 0.0))
    # The length as the product with the unit vector: squares would lose weak gradients where numbers are few.
    both = tf.concat([across, down], axis=-1)
    length = tf.reduce_sum(both * tf.math.l2_normalize(both, axis=-1), axis=-1, keepdims=True)
    return tf.nn.avg_pool2d(tf.where(within, length, 0.0), cell_px, cell_px, "VALID")


def _normalised(blocks: tf.Tensor) -> tf.Tensor:
    """Blocks `[..., D]` of length 1, or shorter where there is next to nothing in them."""
    return blocks * tf.math.rsqrt(tf.reduce_sum(tf.square(blocks), axis=-1, keepdims=True) + _EPSILON**2)
