"""What decoders of sentences share: one layer that takes a step, and over the same weights goes along whole sentences.

Shapes: N sentences, T steps, V numbers of the vocabulary, G places of the grid; over whole sentences the steps come first, `[T, N, ...]`.
"""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kvision.layers.dropout import StepDropout
from kvision.ops import draws

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN, LOGITS, ALPHA = "token", "logits", "alpha"


@dataclass(frozen=True)
class Said:
    """What a decoder says along whole sentences.

    Attributes:
        logits: `[T, N, V]`, of the token that follows each, in the dtype that is computed in.
        alpha: Float32 `[T, N, G]`, where it looked; none: it has no attention.
        chosen: Float32 `[T, N, G]`, 1 at the place that hard attention drew; none: it drew none.
    """

    logits: tf.Tensor
    alpha: tf.Tensor | None = None
    chosen: tf.Tensor | None = None


class Decoder(keras.layers.Layer, abc.ABC):
    """Says the next token.

    Args:
        size: V.
        embedding: Numbers that stand for a token.
        steps: T of the longest sentence.
        dropout: Share of the embeddings, and of what the logits are made of, that is dropped in training.
        **kwargs: As for every layer.

    Attributes:
        draws: Seeds of what is drawn in training.
    """

    steps_first = True
    """Whether what goes through it along whole sentences is `[T, N, ...]`, and not `[N, T, ...]`, until the logits are made."""

    def __init__(self, size: int, embedding: int, steps: int, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)  # states stay as exact as they come
        self.size = size
        self.embedding = embedding
        self.steps = steps
        self.dropout = dropout
        self.draws = draws.of_the_batch(keras.random.SeedGenerator())
        self.drop_tokens = StepDropout(dropout, steps, self.steps_first, name="drop_tokens")
        self.drop_outputs = StepDropout(dropout, steps, steps_first=True, name="drop_outputs")

    @abc.abstractmethod
    def call(self, inputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step.

        Args:
            inputs: `token` int32 `[N]`; and all that the encoder gave, its states as the step before left them.

        Returns:
            `logits` float32 `[N, V]`; the states by their names; `alpha` float32 `[N, G]` where there is attention.
        """

    @abc.abstractmethod
    def sequence(self, states: Mapping[str, tf.Tensor], tokens: tf.Tensor, *, training: bool = False) -> Said:
        """All steps along sentences that are known, quicker than one by one.

        Args:
            states: What the encoder gave.
            tokens: int32 `[N, T]`, beginning with the start.
            training: Whether things are dropped and drawn.

        Returns:
            What `call` says at each step.
        """

    def cast(self, weight: Any) -> tf.Tensor:
        """A weight or a state in the dtype that is computed in, for `sequence` is no call of Keras', which would do so."""
        return tf.cast(tf.convert_to_tensor(weight), self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "size": self.size, "embedding": self.embedding, "steps": self.steps, "dropout": self.dropout}
