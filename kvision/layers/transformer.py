"""What transformers are built of beside attention: blocks that add what they learn to their input, and the MLP.

Shapes: `[B, N, C]` or `[B, H, W, C]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from kvision.layers import blocks
from kvision.layers.normalization import LayerNormalization
from kvision.layers.stochastic_depth import added

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.layers.style import TransformerStyle

EPSILON = 1e-6


def normalise(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Each token normalised over its channels."""
    return LayerNormalization(epsilon=EPSILON, name=name)(x)


def mlp(x: keras.KerasTensor, style: TransformerStyle, name: str) -> keras.KerasTensor:
    """Two layers that see each token by itself: to `mlp_ratio` times its channels, and back."""
    channels = x.shape[-1]
    units = max(1, round(channels * style.mlp_ratio))
    made = blocks.entering(units, style.activation)
    x = keras.layers.Dense(made, kernel_initializer=blocks.initializer(style.initializer), name=f"{name}_wide")(x)
    x = blocks.activation(x, style.activation, f"{name}_act")
    return keras.layers.Dense(channels, kernel_initializer=blocks.initializer(style.initializer), name=f"{name}_narrow")(x)


def block(
    x: keras.KerasTensor, attention: Callable[[keras.KerasTensor], keras.KerasTensor], style: TransformerStyle, survival: float, name: str
) -> keras.KerasTensor:
    """A pre-norm block: attention, then the MLP, each of the normalised tokens and added to them (Dosovitskiy 2021, equations 2 and 3)."""
    x = added(x, attention(normalise(x, f"{name}_norm1")), survival, f"{name}_attended")
    return added(x, mlp(normalise(x, f"{name}_norm2"), style, f"{name}_mlp"), survival, f"{name}_mixed")
