"""A transformer's decoder that says a sentence: each token looks at those before it and at the picture.

Paper: Vaswani et al. 2017, arXiv 1706.03762, section 3; normalised first: Xiong et al. 2020, arXiv 2002.04745.
Deviations: those of `transformer_captioner`.
Shapes: N sentences, T steps, V numbers, G places of the grid, C channels, A heads; what is kept of earlier tokens is `[N, T, C]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from kvision.layers import attention, recurrence
from kvision.layers.dropout import StepDropout
from kvision.layers.normalization import LayerNormalization
from kvision.layers.patches import PERIOD
from kvision.layers.transformer import EPSILON
from kvision.ops import dtypes
from kvision.systems.captioning._decoder import ALPHA, LOGITS, TOKEN, Decoder, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

POSITION = "position"
_FAR = -1e9
"""Added to the logits of what must not be looked at; finite, so that LiteRT's whole numbers hold it."""

Pair = tuple[tf.Tensor, tf.Tensor]
"""Keys and values, `[N, M, C]` each."""


def kept(number: int) -> tuple[str, str]:
    """What the keys and values of earlier tokens in block `number` are called."""
    return f"k{number}", f"v{number}"


def seen(number: int) -> tuple[str, str]:
    """What the keys and values of the picture in block `number` are called."""
    return f"picture_k{number}", f"picture_v{number}"


def sinusoids(steps: int, channels: int) -> np.ndarray:
    """Fixed positions float32 `[T, C]` (Vaswani 2017, section 3.5, its sines before its cosines)."""
    frequencies = PERIOD ** -(np.arange((channels + 1) // 2) * 2 / channels)
    angles = np.arange(steps)[:, None] * frequencies
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)[:, :channels].astype(np.float32)


@keras.saving.register_keras_serializable("kvision")
class Nothing(keras.layers.Layer):
    """Zeros of a shape for each example.

    Args:
        shape: Of an example's.
        kind: Their dtype.
        **kwargs: As for every layer.
    """

    def __init__(self, shape: tuple[int, ...], kind: str = "float32", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)
        self.kind = kind

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[N, ...]` to zeros `[N, *shape]`."""
        count = inputs.shape[0] if inputs.shape[0] is not None else tf.shape(inputs)[0]
        return tf.zeros([count, *self.shape], self.kind)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "shape": self.shape, "kind": self.kind}


class _Block:
    """The layers of one block, by name; a plain holder, whose owner keeps track of them."""

    def __init__(self, number: int, channels: int, wide: int, drop: Callable[[str], keras.layers.Layer], policy: Any) -> None:
        def dense(units: int, name: str, activation: str | None = None) -> keras.layers.Dense:
            return keras.layers.Dense(units, activation=activation, dtype=policy, name=f"{name}{number}")

        self.qkv, self.out = dense(3 * channels, "qkv"), dense(channels, "out")
        self.query, self.looked = dense(channels, "query"), dense(channels, "looked")
        self.wide, self.narrow = dense(wide, "wide", "gelu"), dense(channels, "narrow")
        self.norms = [LayerNormalization(epsilon=EPSILON, dtype=policy, name=f"norm{number}{part}") for part in "abc"]
        self.drops = [drop(f"drop{number}{part}") for part in "abc"]
        self.entering = {self.wide: channels, self.narrow: wide} | dict.fromkeys((self.qkv, self.out, self.query, self.looked), channels)

    @property
    def layers(self) -> list[keras.layers.Layer]:
        """All of them."""
        return [*self.entering, *self.norms, *self.drops]


@keras.saving.register_keras_serializable("kvision")
class TransformerDecoder(Decoder):
    """Blocks of self-attention, attention on the picture and an MLP, each normalised first; `embedding` is C.

    Args:
        num_heads: A, a divisor of C.
        num_layers: Blocks.
        mlp_ratio: Units of the MLP, as a multiple of C.
        positions: `sinusoidal` or `learned`.
        **kwargs: Of `Decoder`.
    """

    steps_first = False

    def __init__(self, *, num_heads: int, num_layers: int, mlp_ratio: float, positions: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.num_layers = num_layers
        self.mlp_ratio = mlp_ratio
        self.positions = positions
        wide = max(1, round(mlp_ratio * self.embedding))
        self._blocks = [_Block(number, self.embedding, wide, self._drop, self.dtype_policy) for number in range(num_layers)]
        self.parts = [layer for block in self._blocks for layer in block.layers]
        self.last_norm = LayerNormalization(epsilon=EPSILON, dtype=self.dtype_policy, name="last_norm")

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the weights."""
        del input_shape
        channels, small = self.embedding, keras.initializers.TruncatedNormal(stddev=0.02)
        self.tokens = self.add_weight(shape=(self.size, channels), initializer=small, name="tokens")
        if self.positions == "learned":
            self.places = self.add_weight(shape=(self.steps, channels), initializer=small.clone(), name="places")
        for block in self._blocks:
            for layer, entering in block.entering.items():
                layer.build((None, None, entering))
            for norm in block.norms:
                norm.build((None, None, channels))
        self.last_norm.build((None, None, channels))
        self.output_kernel = self.add_weight(shape=(channels, self.size), initializer="glorot_uniform", name="output_kernel")
        self.output_bias = self.add_weight(shape=(self.size,), initializer="zeros", name="output_bias")

    def call(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step, as `Decoder.call` says it; what is kept of the tokens before is in `k0`, `v0` ..., and how many they are in `position`."""
        position = inputs[POSITION]
        here = tf.range(self.steps) == position[:, None]
        x = tf.gather(self.cast(self.tokens), inputs[TOKEN])[:, None] + tf.gather(self._places(), position)[:, None]
        ahead = tf.where(tf.range(self.steps) > position[:, None], _FAR, 0.0)[:, None, None]
        found: dict[str, tf.Tensor] = {}

        def self_pair(number: int, new: Pair) -> Pair:
            pair = tuple(tf.where(here[..., None], dtypes.widened(each), inputs[name]) for name, each in zip(kept(number), new, strict=True))
            found.update(zip(kept(number), pair, strict=True))
            return self.cast(pair[0]), self.cast(pair[1])

        x, alpha = self._through(x, ahead, self_pair, inputs, training=False)
        return {LOGITS: dtypes.widened(self._logits(x[:, 0], training=False)), ALPHA: alpha[:, 0], **found, POSITION: position + 1}

    def sequence(self, states: Mapping[str, tf.Tensor], tokens: tf.Tensor, *, training: bool = False) -> Said:
        """All steps, as `Decoder.sequence` says it."""
        steps = recurrence.length(tokens, 1)
        x = self.drop_tokens(tf.gather(self.cast(self.tokens), tokens) + self._places()[:steps], training=training)
        ahead = tf.where(tf.range(steps) > tf.range(steps)[:, None], _FAR, 0.0)
        x, alpha = self._through(x, ahead, lambda number, new: new, states, training=training)
        return Said(self._logits(tf.transpose(x, [1, 0, 2]), training=training), tf.transpose(alpha, [1, 0, 2]))

    def _through(
        self, x: tf.Tensor, ahead: tf.Tensor, self_pair: Callable[[int, Pair], Pair], states: Mapping[str, tf.Tensor], *, training: bool
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """All blocks.

        Args:
            x: `[N, t, C]`.
            ahead: Added to what self-attention compares, so that no token sees those after it.
            self_pair: Of the block's number and the keys and values of `x`, all those that are looked at.
            states: Hold the picture's keys and values.
            training: Whether things are dropped.

        Returns:
            `[N, t, C]`, and where the last block looked, the mean of its heads, `[N, t, G]`.
        """
        alpha = x
        for number, block in enumerate(self._blocks):
            queries, *new = tf.split(block.qkv(block.norms[0](x)), 3, axis=-1)
            keys, values = self_pair(number, (new[0], new[1]))
            x += block.drops[0](block.out(self._attended(queries, keys, values, ahead)[0]), training=training)
            pair = (self.cast(states[name]) for name in seen(number))
            looked, shares = self._attended(block.query(block.norms[1](x)), *pair)
            x += block.drops[1](block.looked(looked), training=training)
            x += block.drops[2](block.narrow(block.wide(block.norms[2](x))), training=training)
            alpha = tf.reduce_mean(shares, axis=1)
        return self.last_norm(x), alpha

    def _attended(self, queries: tf.Tensor, keys: tf.Tensor, values: tf.Tensor, bias: tf.Tensor | None = None) -> Pair:
        """What `[N, t, C]` queries find in `[N, M, C]`, `[N, t, C]`; and each head's shares `[N, A, t, M]`."""
        q, k, v = (self._heads(each) for each in (queries, keys, values))
        shares = attention.shares(q, k, bias)
        found = tf.transpose(tf.matmul(tf.cast(shares, v.dtype), v), [0, 2, 1, 3])
        return tf.reshape(found, [-1, recurrence.length(queries, 1), self.embedding]), shares

    def _heads(self, x: tf.Tensor) -> tf.Tensor:
        """`[N, M, C]` to `[N, A, M, C / A]`."""
        return tf.transpose(tf.reshape(x, [-1, recurrence.length(x, 1), self.num_heads, self.embedding // self.num_heads]), [0, 2, 1, 3])

    def _drop(self, name: str) -> StepDropout:
        return StepDropout(self.dropout, self.steps, name=name)

    def _places(self) -> tf.Tensor:
        """What is added to the tokens of each place, `[T, C]`."""
        return self.cast(self.places) if self.positions == "learned" else tf.constant(sinusoids(self.steps, self.embedding), self.compute_dtype)

    def _logits(self, x: tf.Tensor, *, training: bool) -> tf.Tensor:
        """`[..., V]`."""
        x = self.drop_outputs(x, training=training)
        return recurrence.product(x, self.cast(self.output_kernel)) + self.cast(self.output_bias)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        own = ("num_heads", "num_layers", "mlp_ratio", "positions")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
