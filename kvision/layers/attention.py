"""Self-attention over tokens, with a learnt bias for where one token lies from another if they come from a grid.

Papers: Vaswani et al. 2017, arXiv 1706.03762, equation 1; relative positions: Liu et al. 2021 (Swin), arXiv 2103.14030, equation 4, and Dai et al.
2021 (CoAtNet), arXiv 2106.04803, equation 3.
Deviations: none.
Shapes: tokens `[B, N, C]`; A heads of d channels. No tensor has more than four dimensions, so that LiteRT runs it in one piece and in whole numbers.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kvision.ops import dtypes


def attend(queries: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
    """Scaled dot-product attention (Vaswani 2017, equation 1), its softmax in float32 at least.

    Args:
        queries: `[B, A, N, d]`.
        keys: `[B, A, M, d]`.
        values: `[B, A, M, d]`.
        bias: What is added to the scaled products, broadcast to `[B, A, N, M]`; none: nothing.

    Returns:
        `[B, A, N, d]`, of the dtype of `values`.
    """
    return tf.matmul(tf.cast(shares(queries, keys, bias), values.dtype), values)


def shares(queries: tf.Tensor, keys: tf.Tensor, bias: tf.Tensor | None = None) -> tf.Tensor:
    """How much each query looks at each key, `[B, A, N, M]` in float32 at least; arguments as of `attend`."""
    logits = dtypes.widened(tf.matmul(queries * queries.shape[-1] ** -0.5, keys, transpose_b=True))
    return tf.nn.softmax(logits if bias is None else logits + tf.cast(bias, logits.dtype))


def relative_index(height: int, width: int) -> np.ndarray:
    """For each pair of the N = height * width cells of a grid, which of its (2 height - 1)(2 width - 1) offsets leads from one to the other.

    Args:
        height: Rows of the grid.
        width: Columns of the grid.

    Returns:
        int32 `[N, N]`; row i, column j: of the offset i - j.
    """
    cells = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), axis=-1).reshape(-1, 2)
    rows, columns = np.moveaxis(cells[:, None] - cells[None, :], -1, 0)
    return ((rows + height - 1) * (2 * width - 1) + columns + width - 1).astype(np.int32)


@keras.saving.register_keras_serializable("kvision")
class SelfAttention(keras.layers.Layer):
    """Every token looks at all others: one layer for queries, keys and values together, and one for what the heads found."""

    def __init__(
        self,
        num_heads: int,
        *,
        channels: int | None = None,
        grid: tuple[int, int] | None = None,
        kernel_initializer: str | keras.Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        """Nothing is made yet.

        Args:
            num_heads: A, a divisor of the channels that come out.
            channels: Those that come out; none: as many as come in.
            grid: Height and width of the grid that the tokens lie in, row by row: a bias for each offset and head is learnt; none: no bias.
            kernel_initializer: Of both layers.
            **kwargs: As for every layer.
        """
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.channels = channels
        self.grid = None if grid is None else tuple(grid)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes both layers, and `relative_bias` `[A, offsets]`; raises `ValueError` where the heads don't divide the channels."""
        entering = int(input_shape[-1] or 0)
        channels = self.channels or entering
        if channels % self.num_heads:
            raise ValueError(f"num_heads: {self.num_heads} does not divide the {channels} channels")
        self.qkv, self.out = (
            keras.layers.Dense(units, kernel_initializer=self.kernel_initializer.clone(), dtype=self.dtype_policy, name=name)
            for units, name in ((3 * channels, "qkv"), (channels, "out"))
        )
        self.qkv.build((None, None, entering))
        self.out.build((None, None, channels))
        if self.grid is not None:
            height, width = self.grid
            small = keras.initializers.TruncatedNormal(stddev=0.02)
            self.relative_bias = self.add_weight(
                shape=(self.num_heads, (2 * height - 1) * (2 * width - 1)), initializer=small, name="relative_bias", autocast=False
            )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, N, C]` to the same shape, or to `[B, N, channels]`."""
        return self._attended(inputs, self.position_bias())

    def position_bias(self) -> tf.Tensor | None:
        """What the offsets between tokens add to their products, float32 `[1, A, N, N]`; none without a grid."""
        if self.grid is None:
            return None
        index = relative_index(*self.grid)
        # Along the second axis the gradient is a dense tensor, and the constant in an exported file needs no transposition.
        bias = tf.gather(tf.convert_to_tensor(self.relative_bias), index.reshape(-1), axis=1)
        return tf.reshape(bias, [1, self.num_heads, *index.shape])

    def _attended(self, tokens: tf.Tensor, bias: tf.Tensor | None, groups: int = 1) -> tf.Tensor:
        """Attention among the N tokens of each of B sets `[B, N, C]`; `bias` `[1, groups * A, N, N]` repeats after so many sets."""
        count, channels = tokens.shape[1], self.channels or tokens.shape[-1]
        heads, each = self.num_heads, channels // self.num_heads
        qkv = tf.transpose(tf.reshape(self.qkv(tokens), [-1, count, 3 * heads, each]), [0, 2, 1, 3])
        queries, keys, values = (tf.reshape(part, [-1, groups * heads, count, each]) for part in tf.split(qkv, 3, axis=1))
        found = tf.reshape(attend(queries, keys, values, bias), [-1, heads, count, each])
        return self.out(tf.reshape(tf.transpose(found, [0, 2, 1, 3]), [-1, count, channels]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape, with the channels that come out."""
        return *input_shape[:-1], self.channels or input_shape[-1]

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        own = {"num_heads": self.num_heads, "channels": self.channels, "grid": self.grid}
        return {**super().get_config(), **own, "kernel_initializer": keras.initializers.serialize(self.kernel_initializer)}
