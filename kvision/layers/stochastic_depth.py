"""Stochastic depth: what blocks add to their input, whole branches of which are left out at random in training.

Paper: Huang et al. 2016, arXiv 1603.09382.
Deviations: a branch is left out for each example by itself, and what is kept is scaled up in training, not down in evaluation, as DropPath does.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from kvision.ops import draws


@keras.saving.register_keras_serializable("kvision")
class StochasticDepth(keras.layers.Layer):
    """Keeps each example's branch with the probability `survival`; in evaluation it does nothing."""

    def __init__(self, survival: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.survival = survival
        self.seed_generator = draws.of_the_batch(keras.random.SeedGenerator())

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[B, ...]` to the same shape: 0, or the input over `survival`."""
        if not training or self.survival == 1.0:
            return inputs
        shape = (tf.shape(inputs)[0], *(1,) * (inputs.shape.rank - 1))
        draw = draws.uniform(shape, self.seed_generator)
        return inputs * tf.cast(draw < self.survival, inputs.dtype) / tf.cast(self.survival, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "survival": self.survival}


def added(x: keras.KerasTensor, learned: keras.KerasTensor, survival: float, name: str) -> keras.KerasTensor:
    """The sum of a block's input and what it learnt, which is left out at random in training; the layers are `NAME_depth` and `NAME_add`."""
    if survival < 1.0:
        learned = StochasticDepth(survival, name=f"{name}_depth")(learned)
    return keras.layers.Add(name=f"{name}_add")([x, learned])


def falling(last: float, number: int, total: int) -> float:
    """The probability that block `number` is kept: it falls linearly from 1 before the first to `last` at number `total` (equation 4)."""
    return 1.0 - (1.0 - last) * number / total
