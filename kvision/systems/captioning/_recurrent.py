"""Recurrent layers one upon the other that say a sentence; the picture is in their first states, or added to what they are given.

Shapes: N sentences, T steps, V numbers, H units, E numbers a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kvision.layers import recurrence
from kvision.layers.recurrent_stack import KINDS
from kvision.ops import dtypes
from kvision.systems.captioning._decoder import LOGITS, TOKEN, Decoder, Said

if TYPE_CHECKING:
    from collections.abc import Mapping

PICTURE = "picture"
"""What is added to the products of the first layer, if the encoder gives it; where the step gives it back, it is 0 from the second step on."""


def names(cell: str, number: int) -> tuple[str, ...]:
    """What the states of layer `number` are called: of an LSTM output and memory."""
    return (f"h{number}", f"c{number}") if cell == "lstm" else (f"h{number}",)


@keras.saving.register_keras_serializable("kvision")
class RecurrentDecoder(Decoder):
    """Recurrent layers and an output.

    Args:
        cell: `rnn`, `lstm` or `gru`.
        units: H.
        num_layers: How many layers.
        picture_once: Whether `picture` is added at the first step alone.
        **kwargs: Of `Decoder`.
    """

    def __init__(self, *, cell: str, units: int, num_layers: int = 1, picture_once: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = cell
        self.units = units
        self.num_layers = num_layers
        self.picture_once = picture_once
        options = {"return_sequences": True, "return_state": True, "dtype": self.dtype_policy}
        self.layers = [KINDS[cell](units, name=f"{cell}{number}", **options) for number in range(num_layers)]

    def build(self, input_shape: Mapping[str, tuple[int | None, ...]]) -> None:
        """Makes the weights."""
        del input_shape
        self.tokens = self.add_weight(shape=(self.size, self.embedding), initializer="uniform", name="tokens")
        for number, layer in enumerate(self.layers):
            layer.build((None, None, self.units if number else self.embedding))
        self.output_kernel = self.add_weight(shape=(self.units, self.size), initializer="glorot_uniform", name="output_kernel")
        self.output_bias = self.add_weight(shape=(self.size,), initializer="zeros", name="output_bias")

    def call(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step, as `Decoder.call` says it."""
        found: dict[str, tf.Tensor] = {}
        x = tf.gather(self.cast(self.tokens), inputs[TOKEN])
        for number, layer in enumerate(self.layers):
            added = self.cast(inputs[PICTURE]) if PICTURE in inputs and not number else None
            states = recurrence.once(layer, x, self._states(inputs, number), added)
            found |= {name: dtypes.widened(state) for name, state in zip(names(self.cell, number), states, strict=True)}
            x = states[0]
        if self.picture_once:
            found[PICTURE] = tf.zeros_like(inputs[PICTURE])
        return {LOGITS: dtypes.widened(self._logits(x, training=False)), **found}

    def sequence(self, states: Mapping[str, tf.Tensor], tokens: tf.Tensor, *, training: bool = False) -> Said:
        """All steps, as `Decoder.sequence` says it."""
        x = self.drop_tokens(tf.gather(self.cast(self.tokens), tf.transpose(tokens)), training=training)
        for number, layer in enumerate(self.layers):
            added = self._added(self.cast(states[PICTURE]), recurrence.length(tokens, 1)) if PICTURE in states and not number else None
            x = recurrence.whole(layer, x, self._states(states, number), added)
        return Said(self._logits(x, training=training))

    def _states(self, given: Mapping[str, tf.Tensor], number: int) -> recurrence.States:
        """Those of layer `number`: the output in the dtype that is computed in, the memory in float32 at least."""
        output, *memory = (given[name] for name in names(self.cell, number))
        return (self.cast(output), *map(dtypes.widened, memory))

    def _added(self, picture: tf.Tensor, steps: int | tf.Tensor) -> tf.Tensor:
        """What the picture `[N, H]` adds at each step, `[T, N, H]`."""
        if self.picture_once:
            return tf.pad(picture[None], [[0, steps - 1], [0, 0], [0, 0]])
        return tf.repeat(picture[None], steps, axis=0)

    def _logits(self, x: tf.Tensor, *, training: bool) -> tf.Tensor:
        """`[..., V]`."""
        x = self.drop_outputs(x, training=training)
        return recurrence.product(x, self.cast(self.output_kernel)) + self.cast(self.output_bias)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        own = ("cell", "units", "num_layers", "picture_once")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}
