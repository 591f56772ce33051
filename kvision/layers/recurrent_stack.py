"""Recurrent layers one above the other, which run over whole sequences or one step at a time, with the same weights.

Over sequences they are Keras' own layers without masks, so that the fused kernels of GPUs can be used.

Shapes: B sequences, T time, W width.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from kvision.layers.dropout import Dropout

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
"""h = tanh(W x + U h + b), Cho 2014 (arXiv 1406.1078), and Hochreiter 1997 with a forget gate (Gers 2000)."""


@keras.saving.register_keras_serializable("kvision")
class Recurrent(keras.layers.Layer):
    """A stack of recurrent layers.

    Args:
        kind: `rnn`, `gru` or `lstm`.
        width: W of each layer.
        depth: Their number.
        dropout: Share of the values that is dropped between two layers while training.
        **kwargs: Those of every layer.
    """

    def __init__(self, kind: str, width: int, depth: int = 1, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind, self.width, self.depth, self.dropout = kind, width, depth, dropout
        self.stack = [
            KINDS[kind](width, return_sequences=True, return_state=True, dtype=self.dtype_policy, name=f"layer_{number}") for number in range(depth)
        ]
        self.drop = Dropout(dropout, name="drop") if dropout and depth > 1 else None

    @property
    def state_names(self) -> tuple[str, ...]:
        """`h_0`, of `lstm` also `c_0`, and so on for each layer; all states are float32 `[B, W]`."""
        return tuple(name for number in range(self.depth) for name in self._names(number))

    def build(self, input_shape: Any) -> None:
        """Makes the weights.

        Args:
            input_shape: Of one step, `[B, D]`, or of sequences.
        """
        size = input_shape[-1]
        for layer in self.stack:
            layer.build((None, None, size))
            size = self.width

    def call(self, x: Any, states: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """One step.

        Args:
            x: `[B, D]`.
            states: By `state_names`, `[B, W]`.

        Returns:
            What the last layer says, `[B, W]`; and the new states.
        """
        after: dict[str, Any] = {}
        for number, layer in enumerate(self.stack):
            names = self._names(number)
            x, new = layer.cell(x, [states[name] for name in names])
            after |= self._float32(names, new)
        return x, after

    def sequence(self, x: Any, states: Mapping[str, Any], *, training: bool = False) -> tuple[Any, dict[str, Any]]:
        """As many steps as `x` has.

        Args:
            x: `[B, T, D]`.
            states: Before the first step, by `state_names`, `[B, W]`.
            training: Whether values are dropped.

        Returns:
            What the last layer says at each step, `[B, T, W]`; and the states after the last step.
        """
        after: dict[str, Any] = {}
        for number, layer in enumerate(self.stack):
            if number and self.drop is not None:
                x = self.drop(x, training=training)
            names = self._names(number)
            x, *new = layer(x, initial_state=[states[name] for name in names], training=training)
            after |= self._float32(names, new)
        return x, after

    def zeros(self, count: Any) -> dict[str, Any]:
        """The states of `count` sequences that have not begun."""
        return {name: keras.ops.zeros((count, self.width), "float32") for name in self.state_names}

    def inputs(self) -> dict[str, Any]:
        """Keras inputs for the states, by name."""
        return {name: keras.Input([self.width], name=name) for name in self.state_names}

    def get_config(self) -> dict[str, Any]:
        """What it was made with."""
        return super().get_config() | {"kind": self.kind, "width": self.width, "depth": self.depth, "dropout": self.dropout}

    def _names(self, number: int) -> tuple[str, ...]:
        return (f"h_{number}", f"c_{number}") if self.kind == "lstm" else (f"h_{number}",)

    @staticmethod
    def _float32(names: tuple[str, ...], states: Any) -> dict[str, Any]:
        """States by name; they are float32 whatever the layers compute in, for they go through hundreds of steps."""
        return {name: keras.ops.cast(state, "float32") for name, state in zip(names, keras.tree.flatten(states), strict=True)}
