"""Bodies of an agent's networks: from raw observations to features, whatever the observations are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import keras

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.data.environments.spaces import Spaces

HIDDEN_GAIN = math.sqrt(2.0)
NATURE_PX, SMALL_PX = 36, 10
"""Least side that the Nature network leaves a map of; and that of MinAtar, whose network stands in for it below."""


def dense(width: int, gain: float, name: str, activation: str | None = None) -> keras.layers.Dense:
    """A dense layer with orthogonal weights of this gain, and biases of zero (Huang et al. 2022, detail 2)."""
    return keras.layers.Dense(width, activation, kernel_initializer=keras.initializers.Orthogonal(gain), name=name)


def observation(spaces: Spaces) -> keras.KerasTensor:
    """The input `observation` `[B, ...]` as environments give it; bytes of pictures as floats 0..255, for int8 files have no other form of them."""
    dtype = "float32" if spaces.observation_dtype == "uint8" else spaces.observation_dtype
    return keras.Input(spaces.observation_shape, dtype=dtype, name="observation")


def vector(spaces: Spaces, seen: keras.KerasTensor, normalise: keras.layers.Layer | None = None) -> keras.KerasTensor:
    """Raw observations as float vectors `[B, D]`: numbers of states as one-hot rows, pictures scaled to 0..1 and flattened."""
    if spaces.num_states is not None:
        return keras.ops.one_hot(seen, spaces.num_states)
    if spaces.observation_dtype == "uint8":
        seen = keras.layers.Rescaling(1 / 255, name="scale")(seen)
    if normalise is not None:
        seen = normalise(seen)
    return keras.layers.Flatten(name="flatten")(seen) if len(spaces.observation_shape) > 1 else seen


def mlp(x: keras.KerasTensor, hidden: Sequence[int], activation: str, name: str) -> keras.KerasTensor:
    """Dense layers one after the other."""
    for number, width in enumerate(hidden, start=1):
        x = dense(width, HIDDEN_GAIN, f"{name}_{number}", activation)(x)
    return x


def picture(spaces: Spaces, seen: keras.KerasTensor) -> keras.KerasTensor:
    """Raw pictures as floats `[B, H, W, C]`, bytes scaled to 0..1."""
    return keras.layers.Rescaling(1 / 255, name="scale")(seen) if spaces.observation_dtype == "uint8" else seen


def convolution(
    filters: int, size: int, name: str, *, strides: int = 1, padding: str = "valid", activation: str | None = "relu"
) -> keras.layers.Conv2D:
    """A convolution with orthogonal weights, and biases of zero."""
    weights = keras.initializers.Orthogonal(HIDDEN_GAIN)
    return keras.layers.Conv2D(filters, size, strides, padding, activation=activation, kernel_initializer=weights, name=name)


def nature(spaces: Spaces, seen: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Three convolutions and a dense layer; or one convolution and a narrower layer for pictures that are too small for them.

    Args:
        spaces: What the environment shows: pictures, the frames of a stack in their channels.
        seen: The input `[B, H, W, C]`.
        name: Begins the layers' names.

    Returns:
        `[B, 512]`; for pictures with a side below `NATURE_PX`, which strides of 8 and kernels without padding leave nothing of, `[B, 128]`: one
        convolution of 16 3x3 kernels, as MinAtar's authors have it, padded so that any size will do, with a stride of 2 from 20 pixels on.

    References:
        Mnih et al. 2015, Human-level control through deep reinforcement learning, Methods: model architecture; Young and Tian 2019, arXiv 1903.03176,
        section 4, for small pictures.
    """
    x = picture(spaces, seen)
    sides = spaces.observation_shape[:2]
    if min(sides) < NATURE_PX:
        x = convolution(16, 3, f"{name}_conv_1", strides=2 if max(sides) >= 2 * SMALL_PX else 1, padding="same")(x)
        return dense(128, HIDDEN_GAIN, f"{name}_dense", "relu")(keras.layers.Flatten(name=f"{name}_flat")(x))
    for number, (filters, size, strides) in enumerate(((32, 8, 4), (64, 4, 2), (64, 3, 1)), start=1):
        x = convolution(filters, size, f"{name}_conv_{number}", strides=strides)(x)
    return dense(512, HIDDEN_GAIN, f"{name}_dense", "relu")(keras.layers.Flatten(name=f"{name}_flat")(x))


def impala(spaces: Spaces, seen: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Three sections of a convolution, pooling and two residual blocks, and a dense layer; without the original's LSTM.

    Args:
        spaces: What the environment shows: pictures, the frames of a stack in their channels.
        seen: The input `[B, H, W, C]`, of any size: all is padded.
        name: Begins the layers' names.

    Returns:
        `[B, 256]`.

    References:
        Espeholt et al. 2018, IMPALA, arXiv 1802.01561, figure 3, right.
    """
    x = picture(spaces, seen)
    for section, filters in enumerate((16, 32, 32), start=1):
        x = convolution(filters, 3, f"{name}_{section}_conv", padding="same", activation=None)(x)
        x = keras.layers.MaxPooling2D(3, 2, "same", name=f"{name}_{section}_pool")(x)
        for block in (1, 2):
            held = x
            for number in (1, 2):
                part = f"{name}_{section}_{block}_{number}"
                x = keras.layers.ReLU(name=f"{part}_act")(x)
                x = convolution(filters, 3, f"{part}_conv", padding="same", activation=None)(x)
            x = keras.layers.Add(name=f"{name}_{section}_{block}_add")([x, held])
    x = keras.layers.Flatten(name=f"{name}_flat")(keras.layers.ReLU(name=f"{name}_act")(x))
    return dense(256, HIDDEN_GAIN, f"{name}_dense", "relu")(x)
