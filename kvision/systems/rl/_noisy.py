"""Layers whose weights are noisy, so that an agent explores by what it is unsure of, and learns how much noise that takes.

Paper: Fortunato et al. 2018, arXiv 1706.10295, factorised Gaussian noise.
Deviations: while acting, each lane has noise of its own at each step.
Shapes: B examples, I inputs and O outputs of a layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable

_SIGMA = 0.5
"""The paper's sigma_0: what the noise's weights begin with, times 1 / sqrt(I)."""


@keras.saving.register_keras_serializable("kvision")
class NoisyDense(keras.layers.Layer):
    """A dense layer, `activation(x (w + s * e f^T) + b + s_b * f)` for noise e of the inputs and f of the outputs; without noise, the means alone.

    Factorised noise needs no noisy matrix: it multiplies the inputs and the outputs of `s`, and so may differ from example to example.

    Args:
        units: O.
        activation: Name of Keras'; none: linear.
        **kwargs: As for every Keras layer.
    """

    def __init__(self, units: int, activation: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.activation = activation
        self._activate: Callable[[Any], Any] = keras.activations.get(activation)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes `kernel` and `sigma` `[I, O]`, `bias` and `sigma_bias` `[O]`."""
        width = int(input_shape[-1] or 0)
        bound = width**-0.5
        uniform, constant = keras.initializers.RandomUniform(-bound, bound), keras.initializers.Constant(_SIGMA * bound)
        self.kernel = self.add_weight(shape=(width, self.units), initializer=uniform, name="kernel")
        self.bias = self.add_weight(shape=(self.units,), initializer=uniform, name="bias")
        self.sigma = self.add_weight(shape=(width, self.units), initializer=constant, name="sigma")
        self.sigma_bias = self.add_weight(shape=(self.units,), initializer=constant, name="sigma_bias")

    def call(self, inputs: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        """`[B, I]` to `[B, O]`.

        Args:
            inputs: `[B, I]`.
            noise: Normal numbers, `[B, I + O]` or `[1, I + O]`; none: no noise.

        Returns:
            `[B, O]`.

        References:
            Fortunato et al. 2018, arXiv 1706.10295, eq. 9 to 11.
        """
        mean = tf.matmul(inputs, self.kernel) + self.bias
        if noise is None:
            return self._activate(mean)
        shaped = tf.cast(tf.sign(noise) * tf.sqrt(tf.abs(noise)), inputs.dtype)
        of_inputs, of_outputs = tf.split(shaped, [inputs.shape[-1], self.units], axis=-1)
        return self._activate(mean + (tf.matmul(inputs * of_inputs, self.sigma) + self.sigma_bias) * of_outputs)

    def compute_output_shape(self, input_shape: tuple[int | None, ...], **_: Any) -> tuple[int | None, ...]:
        """`[B, O]`."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "units": self.units, "activation": self.activation}
