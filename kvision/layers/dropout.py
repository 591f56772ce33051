"""Dropout that depends on the example's place in the global batch, and not on who computes it.

Paper: Srivastava et al. 2014, Dropout: A Simple Way to Prevent Neural Networks from Overfitting.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kvision.ops import draws


@keras.saving.register_keras_serializable("kvision")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, bit for bit where one replica computes a whole batch; several leave out what that one would."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        if rate > 0:
            draws.of_the_batch(self.seed_generator)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[B, ...]` to the same shape."""
        if not training or self.rate == 0:
            return inputs
        kept = self.drawn(tf.shape(inputs)) >= self.rate
        return tf.where(kept, inputs * (1.0 / (1.0 - self.rate)), tf.zeros([], inputs.dtype))

    def drawn(self, shape: tf.Tensor) -> tf.Tensor:
        """Numbers in [0, 1) of the inputs' shape; those below the rate are left out."""
        return draws.uniform(shape, self.seed_generator)


@keras.saving.register_keras_serializable("kvision")
class StepDropout(Dropout):
    """Dropout along sentences that depends on the example's place and on the step, and not on how long the sentences beside it are.

    Args:
        rate: Share that is left out.
        longest: Most steps that a sentence may have.
        steps_first: Whether the inputs are `[T, N, ...]`, and not `[N, T, ...]`.
        **kwargs: As for every layer.
    """

    def __init__(self, rate: float, longest: int, steps_first: bool = False, **kwargs: Any) -> None:
        super().__init__(rate, **kwargs)
        self.longest = longest
        self.steps_first = steps_first

    def drawn(self, shape: tf.Tensor) -> tf.Tensor:
        """Numbers in [0, 1) of the inputs' shape."""
        first, second, *rest = tf.unstack(shape)
        if not self.steps_first:
            return draws.along([first, second, *rest], self.longest, self.seed_generator)
        found = draws.along([second, first, *rest], self.longest, self.seed_generator)
        return tf.transpose(found, [1, 0, *range(2, 2 + len(rest))])

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "longest": self.longest, "steps_first": self.steps_first}
