"""Attention within windows of a map, which every other block shifts by half a window.

Paper: Liu et al. 2021 (Swin), arXiv 2103.14030, section 3.2 and figure 4.
Deviations: none.
Shapes: maps `[B, H, W, C]`; windows of w x w cells as sets of tokens `[B * H / w * W / w, w * w, C]`, row by row.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kvision.layers.attention import SelfAttention

MASKED = -100.0
"""What is added to the products of cells that must not see each other: exp(-100) is below the smallest float32."""


def split(x: tf.Tensor, side: int) -> tf.Tensor:
    """The windows of a map; one transposition of four dimensions.

    Args:
        x: `[B, H, W, C]`.
        side: w, a divisor of H and W.

    Returns:
        `[B * H / w * W / w, w * w, C]`.

    Raises:
        ValueError: If `side` is no divisor.
    """
    height, width, channels = x.shape[1:]
    if height % side or width % side:
        raise ValueError(f"side: {side} does not divide a map of {height} x {width}")
    bands = tf.reshape(x, [-1, side, width // side, side * channels])
    return tf.reshape(tf.transpose(bands, [0, 2, 1, 3]), [-1, side * side, channels])


def merge(windows: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The map of these windows: the inverse of `split`."""
    count, channels = windows.shape[1:]
    side = round(count**0.5)
    bands = tf.transpose(tf.reshape(windows, [-1, width // side, side, side * channels]), [0, 2, 1, 3])
    return tf.reshape(bands, [-1, height, width, channels])


def shift(x: tf.Tensor, cells: int) -> tf.Tensor:
    """The map moved up and left by so many cells, what leaves it coming in on the other side; below 0: down and right."""
    for axis in (1, 2):
        at = cells % x.shape[axis]
        first, second = tf.split(x, [at, x.shape[axis] - at], axis=axis)
        x = tf.concat([second, first], axis=axis)
    return x


def mask(height: int, width: int, side: int, cells: int) -> np.ndarray:
    """Which cells of each window of a shifted map were not neighbours before: 0, or `MASKED`, float32 `[H / w * W / w, w * w, w * w]`."""
    places = np.indices((height, width)).transpose(1, 2, 0)
    # Where a cell came from: beyond the shift's seam, or not; along both axes.
    regions = 2 * (places[..., 0] >= height - cells) + (places[..., 1] >= width - cells)
    own = regions.reshape(height // side, side, width // side, side).transpose(0, 2, 1, 3).reshape(-1, side**2)
    return np.where(own[:, :, None] == own[:, None, :], 0.0, MASKED).astype(np.float32)


@keras.saving.register_keras_serializable("kvision")
class WindowAttention(SelfAttention):
    """Every cell of a map looks at the other cells of its window, with a bias for each offset."""

    def __init__(self, num_heads: int, side: int, *, shift: int = 0, **kwargs: Any) -> None:
        """Nothing is made yet.

        Args:
            num_heads: A, a divisor of the channels.
            side: Of the windows, cells; a divisor of the map's sides.
            shift: By how many cells the windows are shifted; cells that were no neighbours before don't see each other.
            **kwargs: As for `SelfAttention`.
        """
        super().__init__(num_heads, **{**kwargs, "grid": (side, side)})
        self.side = side
        self.shift = shift

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` to the same shape."""
        height, width = inputs.shape[1:3]
        x = shift(inputs, self.shift) if self.shift else inputs
        bias, groups = self.position_bias(), 1
        if self.shift:
            masks = mask(height, width, self.side, self.shift)
            groups = len(masks)
            bias = tf.reshape(bias + masks[:, None], [1, groups * self.num_heads, self.side**2, self.side**2])
        x = merge(self._attended(split(x, self.side), bias, groups), height, width)
        return shift(x, -self.shift) if self.shift else x

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes; the grid follows from `side`."""
        config = super().get_config()
        del config["grid"]
        return {**config, "side": self.side, "shift": self.shift}


@keras.saving.register_keras_serializable("kvision")
class Neighbours(keras.layers.Layer):
    """Every 2 x 2 cells of a map side by side in the channels of one: first row, then second (Liu 2021, section 3.1, patch merging)."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` to `[B, H / 2, W / 2, 4 C]`."""
        return tf.nn.space_to_depth(inputs, 2)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Half the sides, four times the channels."""
        batch, height, width, channels = input_shape
        return batch, height // 2, width // 2, 4 * channels  # type: ignore[operator]
