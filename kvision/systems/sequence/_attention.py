"""Encoder and decoder of sequence to sequence, with the attention of Bahdanau or Luong, or none.

Both layers say in `call` what an exported file computes, and in `sequence` the same for training, over whole sequences at once.

Shapes: B sequences, S pieces that are read, T that are written, W width, V vocabulary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kvision.layers.recurrent_stack import Recurrent

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOWHERE = -30.0
"""Added to the score of padding, so that its share is next to nothing; more would leave whole numbers of 8 bits no room for the others."""


@keras.saving.register_keras_serializable("kvision")
class Encoder(keras.layers.Layer):
    """Reads a sequence forwards and backwards.

    Args:
        vocabulary: V.
        embedding: Values that stand for a piece.
        kind: Of the recurrent layers, as `Recurrent` has it.
        width: W.
        attention: `additive`, `luong` or `none`.
        **kwargs: Those of every layer.
    """

    def __init__(self, vocabulary: int, embedding: int, kind: str, width: int, attention: str, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self._made_with: dict[str, Any] = {"vocabulary": vocabulary, "embedding": embedding, "kind": kind, "width": width, "attention": attention}
        self.attention = attention
        self.embed = keras.layers.Embedding(vocabulary, embedding, name="embed")
        self.directions = {name: Recurrent(kind, width, name=name) for name in ("forwards", "backwards")}
        self.bridges = {name: keras.layers.Dense(width, "tanh", name=f"first_{name}") for name in self.state_names}
        self.keys = keras.layers.Dense(width, use_bias=False, name="keys") if attention != "none" else None

    @property
    def state_names(self) -> tuple[str, ...]:
        """The decoder's states, all of which the encoder gives."""
        return self.directions["forwards"].state_names

    def build(self, input_shape: Any) -> None:
        """Makes the weights; `input_shape` is that of the tokens, `[B, S]`."""
        self.embed.build(input_shape)
        width, embedding = self._made_with["width"], self._made_with["embedding"]
        for direction in self.directions.values():
            direction.build((None, embedding))
        for bridge in self.bridges.values():
            bridge.build((None, 2 * width))
        if self.keys is not None:
            self.keys.build((None, None, 2 * width))

    def call(self, source: Any) -> dict[str, Any]:
        """What is known of a sequence, step by step.

        Args:
            source: Tokens int32 `[B, S]`, padding 0.

        Returns:
            The decoder's first states, `[B, W]` by name; with attention also `features` `[B, S, 2 W]`, `keys` `[B, S, W]` and `mask` `[B, S]`, 1
            where there is no padding.
        """
        x = self.embed(source)
        said, last = {}, {}
        for name, direction in self.directions.items():
            states, outputs = direction.zeros(keras.ops.shape(source)[0]), []
            places = range(source.shape[1])
            for place in reversed(places) if name == "backwards" else places:
                output, states = direction(x[:, place], states)
                outputs.append(output)
            said[name] = keras.ops.stack(outputs[::-1] if name == "backwards" else outputs, axis=1)
            last[name] = states
        return self._known(source, said, last)

    def sequence(self, source: Any) -> dict[str, Any]:
        """The same by the fused layers."""
        x = self.embed(source)
        zeros = self.directions["forwards"].zeros(keras.ops.shape(source)[0])
        forwards, ahead = self.directions["forwards"].sequence(x, zeros)
        backwards, back = self.directions["backwards"].sequence(keras.ops.flip(x, axis=1), zeros)
        return self._known(source, {"forwards": forwards, "backwards": keras.ops.flip(backwards, axis=1)}, {"forwards": ahead, "backwards": back})

    def _known(self, source: Any, said: Mapping[str, Any], last: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        both = {name: keras.ops.concatenate([last["forwards"][name], last["backwards"][name]], axis=-1) for name in self.state_names}
        found = {name: keras.ops.cast(self.bridges[name](value), "float32") for name, value in both.items()}
        if self.keys is None:
            return found
        features = keras.ops.concatenate([said["forwards"], said["backwards"]], axis=-1)
        there = np.minimum(np.arange(self._made_with["vocabulary"], dtype=np.float32), 1.0)
        mask = keras.ops.take(keras.ops.convert_to_tensor(there), source)  # looked up: LiteRT has no comparison in whole numbers of 8 bits
        known = {"features": features, "keys": self.keys(features)}
        return {**found, **{name: keras.ops.cast(value, "float32") for name, value in known.items()}, "mask": mask}

    def get_config(self) -> dict[str, Any]:
        """What it was made with."""
        return super().get_config() | self._made_with


@keras.saving.register_keras_serializable("kvision")
class Decoder(keras.layers.Layer):
    """Writes a sequence piece by piece, and looks at what was read.

    `additive` (Bahdanau 2015, arXiv 1409.0473, A.1.2) looks before each step, by the last state: e_j = v . tanh(W s + U h_j), and the step reads
    what it saw. `luong` (arXiv 1508.04025, eqs. 5 to 8, general) looks after it, by the new state: e_j = s . W h_j, and says tanh(W_c [c; s]).

    Args:
        vocabulary: V.
        embedding: Values that stand for a piece.
        kind: Of the recurrent layer, as `Recurrent` has it.
        width: W.
        attention: `additive`, `luong` or `none`.
        **kwargs: Those of every layer.
    """

    def __init__(self, vocabulary: int, embedding: int, kind: str, width: int, attention: str, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self._made_with: dict[str, Any] = {"vocabulary": vocabulary, "embedding": embedding, "kind": kind, "width": width, "attention": attention}
        self.attention, self.width = attention, width
        self.embed = keras.layers.Embedding(vocabulary, embedding, name="embed")
        self.recurrent = Recurrent(kind, width, name="recurrent")
        self.logits = keras.layers.Dense(vocabulary, dtype="float32", name="logits")
        if attention == "additive":
            self.query = keras.layers.Dense(width, name="query")
            self.score = keras.layers.Dense(1, use_bias=False, name="score")
        if attention == "luong":
            self.mix = keras.layers.Dense(width, "tanh", name="mix")

    def build(self, *_: Any) -> None:
        """Makes the weights."""
        width, embedding = self.width, self._made_with["embedding"]
        self.embed.build((None,))
        seen = 2 * width if self.attention == "additive" else 0
        self.recurrent.build((None, embedding + seen))
        self.logits.build((None, width + seen))
        if self.attention == "additive":
            self.query.build((None, width))
            self.score.build((None, None, width))
        if self.attention == "luong":
            self.mix.build((None, 3 * width))

    def call(self, token: Any, known: Mapping[str, Any]) -> dict[str, Any]:
        """One step.

        Args:
            token: The last piece, int32 `[B]`.
            known: What the encoder gave, the states as the last step left them.

        Returns:
            `logits` `[B, V]`, the new states, and with attention `alpha` `[B, S]`, the share of each place in what was looked at.
        """
        states = {name: known[name] for name in self.recurrent.state_names}
        x = self.embed(token)
        if self.attention == "none":
            said, after = self.recurrent(x, states)
            return {"logits": self.logits(said), **after}
        if self.attention == "additive":
            alpha, seen = self._look(self._additive(states["h_0"], known["keys"]), known)
            said, after = self.recurrent(_joined(x, seen[:, 0]), states)
            return {"logits": self.logits(_joined(said, seen[:, 0])), **after, "alpha": alpha[:, 0]}
        said, after = self.recurrent(x, states)
        alpha, seen = self._look(self._general(said[:, None], known["keys"]), known)
        return {"logits": self.logits(self.mix(_joined(said, seen[:, 0]))), **after, "alpha": alpha[:, 0]}

    def sequence(self, tokens: Any, known: Mapping[str, Any]) -> Any:
        """Logits `[B, T, V]` of whole sequences, each piece given (teacher forcing): those of T calls of the layer.

        Only where a step reads what it looked at before must the steps wait for one another.
        """
        if self.attention == "additive":
            states, logits = dict(known), []
            for place in range(tokens.shape[1]):
                said = self(tokens[:, place], states)
                states |= {name: said[name] for name in self.recurrent.state_names}
                logits.append(said["logits"])
            return keras.ops.stack(logits, axis=1)
        said, _ = self.recurrent.sequence(self.embed(tokens), {name: known[name] for name in self.recurrent.state_names})
        if self.attention == "none":
            return self.logits(said)
        _, seen = self._look(self._general(said, known["keys"]), known)
        return self.logits(self.mix(_joined(said, seen)))

    def _additive(self, state: Any, keys: Any) -> Any:
        """Scores `[B, 1, S]` of all places, by a state `[B, W]`."""
        values = self.score(keras.ops.tanh(keras.ops.add(self.query(state)[:, None], keys)))
        return keras.ops.cast(values[:, None, :, 0], "float32")

    @staticmethod
    def _general(said: Any, keys: Any) -> Any:
        """Scores `[B, T, S]` of all places, by new states `[B, T, W]`."""
        return keras.ops.matmul(keras.ops.cast(said, "float32"), keras.ops.transpose(keys, (0, 2, 1)))

    @staticmethod
    def _look(scores: Any, known: Mapping[str, Any]) -> tuple[Any, Any]:
        """The share of each place `[B, T, S]`, and the mean of the features by these shares `[B, T, 2 W]`, for scores `[B, T, S]`."""
        alpha = keras.ops.softmax(scores + (1.0 - known["mask"][:, None]) * _NOWHERE, axis=-1)
        return alpha, keras.ops.matmul(alpha, known["features"])

    def get_config(self) -> dict[str, Any]:
        """What it was made with."""
        return super().get_config() | self._made_with


def _joined(first: Any, second: Any) -> Any:
    """Two tensors side by side, in the type of the first."""
    return keras.ops.concatenate([first, keras.ops.cast(second, first.dtype)], axis=-1)
