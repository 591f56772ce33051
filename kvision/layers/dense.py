"""Hidden layers whose units see all of the layer before, with what keeps them from learning by heart: dropout, DropConnect and max-norm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from kvision.layers import blocks
from kvision.layers.dropout import Dropout
from kvision.ops import draws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.layers.style import Norm, Style


@keras.saving.register_keras_serializable("kvision")
class DropConnect(keras.layers.Dense):
    """`keras.layers.Dense` that leaves out each weight with the probability `rate` in training and scales up the others.

    Paper: Wan et al. 2013, Regularization of Neural Networks using DropConnect (ICML), equation 4.
    Deviations: one mask a step for all examples of the batch, not one for each; evaluation takes the mean weights, not samples of their sum.
    """

    def __init__(self, units: int, rate: float, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.rate = rate
        self.seed_generator = draws.of_the_batch(keras.random.SeedGenerator())

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[B, D]` to `[B, units]`."""
        if not training:
            return super().call(inputs)
        kernel = keras.random.dropout(tf.convert_to_tensor(self.kernel), self.rate, seed=self.seed_generator)
        outputs = tf.matmul(inputs, kernel)
        return self.activation(outputs if self.bias is None else outputs + self.bias)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "rate": self.rate}


def hidden(
    x: keras.KerasTensor,
    units: Sequence[int],
    style: Style,
    *,
    name: str = "hidden",
    norm: Norm = "none",
    dropout: float = 0.0,
    dropconnect: float = 0.0,
    max_norm: float | None = None,
) -> keras.KerasTensor:
    """Hidden layers with dropout between them; what follows the last one is the caller's.

    Args:
        x: `[B, D]`, or a map `[B, H, W, C]`, which is flattened.
        units: Of each layer, none or more.
        style: Activation and initial weights.
        name: Of all; `hidden0`, `hidden1` ... are the layers.
        norm: Normalisation before each activation.
        dropout: Share of each layer's outputs that is dropped in training.
        dropconnect: Share of each layer's weights that is.
        max_norm: Largest length of a unit's incoming weights after each step (Srivastava 2014, JMLR 15, section 5.1); none: any.

    Returns:
        `[B, units[-1]]`, or the flat `x` where there are none.
    """
    if len(x.shape) > 2:
        x = keras.layers.Flatten(name=f"{name}_flat")(x)
    for number, count in enumerate(units):
        own = f"{name}{number}"
        if number and dropout:
            x = Dropout(dropout, name=f"{name}{number - 1}_dropout")(x)
        options: dict[str, Any] = {"use_bias": norm == "none", "kernel_initializer": blocks.initializer(style.initializer), "name": own}
        if max_norm is not None:
            options["kernel_constraint"] = keras.constraints.MaxNorm(max_norm, axis=0)
        made = blocks.entering(count, style.activation)
        x = (DropConnect(made, dropconnect, **options) if dropconnect else keras.layers.Dense(made, **options))(x)
        x = blocks.activation(blocks.normalise(x, norm, f"{own}_norm"), style.activation, f"{own}_act")
    return x
