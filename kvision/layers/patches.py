"""Patches of a picture as tokens: what they are made by, where they lie, and the token that stands for the class.

Paper: Dosovitskiy et al. 2021, arXiv 2010.11929, equation 1; fixed positions: Beyer et al. 2022, arXiv 2205.01580.
Deviations: none.
Shapes: tokens `[B, N, C]`.
"""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

PERIOD = 10_000.0


def embed(image: keras.KerasTensor, patch_px: int, width: int, initializer: str | keras.Initializer) -> keras.KerasTensor:
    """Tokens `[B, H / patch_px * W / patch_px, width]` of an image `[B, H, W, 3]`, row by row, each linear in its patch."""
    x = keras.layers.Conv2D(width, patch_px, strides=patch_px, kernel_initializer=initializer, name="patches")(image)
    return keras.layers.Reshape((-1, width), name="tokens")(x)


def sinusoids(height: int, width: int, channels: int) -> np.ndarray:
    """Fixed positions in two dimensions: sines and cosines of the row in one half of the channels, of the column in the other.

    Args:
        height: Rows of the grid.
        width: Columns of the grid.
        channels: C, a multiple of 4.

    Returns:
        float32 `[height * width, C]`.

    References:
        Beyer et al. 2022, arXiv 2205.01580, section 2; the frequencies are those of Vaswani et al. 2017, section 3.5.
    """
    frequencies = PERIOD ** -(np.arange(channels // 4) / max(1, channels // 4 - 1))
    angles = [axis.reshape(-1, 1) * frequencies for axis in np.indices((height, width))]
    return np.concatenate([wave(each) for each in angles for wave in (np.sin, np.cos)], axis=1).astype(np.float32)


@keras.saving.register_keras_serializable("kvision")
class Positions(keras.layers.Layer):
    """Adds to each token what is learnt of its place, or its fixed `sinusoids`; tokens before those of the grid only have learnt ones."""

    def __init__(self, kind: Literal["learned", "sinusoidal"], grid: tuple[int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind
        self.grid = grid

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes `positions` `[N, C]`, where they are learnt."""
        if self.kind == "learned":
            small = keras.initializers.TruncatedNormal(stddev=0.02)
            self.positions = self.add_weight(shape=input_shape[1:], initializer=small, name="positions")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, N, C]` to the same shape."""
        if self.kind == "learned":
            return inputs + tf.cast(tf.convert_to_tensor(self.positions), inputs.dtype)
        height, width = self.grid
        fixed = sinusoids(height, width, inputs.shape[-1])
        before = inputs.shape[1] - len(fixed)
        return inputs + tf.cast(np.pad(fixed, ((before, 0), (0, 0))), inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "kind": self.kind, "grid": self.grid}


@keras.saving.register_keras_serializable("kvision")
class ClassToken(keras.layers.Layer):
    """Puts a learnt token before all others, which will stand for the whole picture."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes `token` `[C]`."""
        self.token = self.add_weight(shape=(input_shape[-1],), initializer="zeros", name="token")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, N, C]` to `[B, 1 + N, C]`."""
        # A sum with nothing of the input, so that the batch keeps its size in exported files without asking for shapes.
        token = 0.0 * inputs[:, :1] + tf.cast(tf.convert_to_tensor(self.token), inputs.dtype)
        return tf.concat([token, inputs], axis=1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """One token more."""
        batch, count, channels = input_shape
        return batch, None if count is None else count + 1, channels
