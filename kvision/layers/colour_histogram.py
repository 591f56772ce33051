"""Colour histograms as a layer without weights, of operations that every device has in whole numbers.

Paper: Swain & Ballard 1991, Color indexing, IJCV 7(1); hue, saturation and value: Smith 1978, Color gamut transform pairs (SIGGRAPH).
Deviations: none.
Shapes: C three channels, D bins of all three together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Sequence

Space = Literal["rgb", "hsv"]


@keras.saving.register_keras_serializable("kvision")
class ColourHistogram(keras.layers.Layer):
    """Which share of the picture has each colour: one histogram over three channels, as `numpy.histogramdd` of all pixels divided by their number.

    Args:
        bins: Of red, green and blue, or of hue (at least 3), saturation and value; evenly over 0-1.
        space: `rgb` or `hsv`.
        soft: Each pixel is shared by the bins whose centres lie around it, in each channel by its distance to them; for `rgb`.
        **kwargs: As for every Keras layer; `dtype` is float32 whatever the policy.
    """

    def __init__(self, bins: Sequence[int] = (8, 8, 8), space: Space = "rgb", soft: bool = False, **kwargs: Any) -> None:
        if space == "hsv" and (soft or bins[0] < 3):
            raise ValueError(f"space: hsv with bins={tuple(bins)}, soft={soft}; use at least 3 bins of hue, and soft=False")
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.bins = tuple(bins)
        self.space = space
        self.soft = soft

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Pictures RGB `[B, H, W, 3]`, 0-1, to `[B, D]`, the last channel's bins beside each other."""
        pixels = tf.reshape(inputs, [-1, inputs.shape[1] * inputs.shape[2], 3])
        if self.space == "hsv":
            first, second, third = (hue(pixels, self.bins[0]), *saturation_and_value(pixels, *self.bins[1:]))
        else:
            share = shares if self.soft else within
            first, second, third = (share(channel, count) for channel, count in zip(tf.split(pixels, 3, axis=-1), self.bins, strict=True))
        pairs = tf.concat([one * second for one in tf.split(first, self.bins[0], axis=-1)], axis=-1)
        counts = tf.matmul(pairs, third, transpose_a=True)  # whole numbers, so exact, unless soft
        return tf.reshape(counts, [-1, math.prod(self.bins)]) * (1 / pixels.shape[1])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[B, D]`."""
        return input_shape[0], math.prod(self.bins)

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "bins": self.bins, "space": self.space, "soft": self.soft}


def within(values: tf.Tensor, count: int) -> tf.Tensor:
    """In which of `count` even bins over 0-1 each value `[..., 1]` lies: 1 there and 0 elsewhere, `[..., count]`; 1 lies in the last one."""
    return _between(values - _edges(count))


def shares(values: tf.Tensor, count: int) -> tf.Tensor:
    """How much of each value `[..., 1]` each of `count` even bins over 0-1 has, `[..., count]`: all at its centre, none at its neighbours'."""
    centres = (np.arange(count) + 0.5).astype(np.float32)
    places = tf.clip_by_value(values * float(count), 0.5, count - 0.5)
    return tf.nn.relu(1.0 - tf.abs(places - centres))


def saturation_and_value(pixels: tf.Tensor, saturations: int, values: int) -> tuple[tf.Tensor, tf.Tensor]:
    """In which bins the saturation and the value of RGB pixels `[..., 3]` lie, as `within` has it."""
    most = tf.reduce_max(pixels, axis=-1, keepdims=True)
    chroma = most - tf.reduce_min(pixels, axis=-1, keepdims=True)
    # chroma / most >= edge without dividing; where chroma is 0 the saturation is 0, and beyond the first edge only.
    edges = _edges(saturations)
    return _between(tf.where(chroma > 0.0, chroma - most * edges, -np.sign(edges))), within(most, values)


def hue(pixels: tf.Tensor, count: int) -> tf.Tensor:
    """In which of `count` even bins the hue of RGB pixels `[..., 3]` lies, as `within` has it; grey ones lie in the first.

    Colours of one hue lie on a ray from the grey axis. So a hue lies between two edges where the colour is on the one side of the first one's ray and
    on the other side of the second one's, which are signs of cross products.
    """
    turns = np.arange(count) * 6.0 / count
    # Red, green and blue are full for a sixth of a turn to both sides of their own hue, and fall to 0 within the next.
    red, green, blue = (np.clip(2.0 - np.abs((turns - own + 3.0) % 6.0 - 3.0), 0.0, 1.0) for own in (0, 2, 4))
    # The cross product of two colours seen along the grey axis is their triple product with grey.
    sides = tf.matmul(pixels, np.stack([blue - green, red - blue, green - red]).astype(np.float32))
    inside = tf.where((sides >= 0.0) & (tf.roll(sides, -1, axis=-1) < 0.0), 1.0, 0.0)
    others = inside[..., 1:]
    return tf.concat([1.0 - tf.reduce_sum(others, axis=-1, keepdims=True), others], axis=-1)


def _edges(count: int) -> np.ndarray:
    """Where even bins over 0-1 begin and end, `[count + 1]`; the first and the last one have all that lies beyond."""
    return np.array([-1.0, *(np.arange(1, count) / count), 2.0], np.float32)


def _between(beyond: tf.Tensor) -> tf.Tensor:
    """From by how much each edge is exceeded `[..., N + 1]`, edges rising, to the bin: 1 there and 0 elsewhere, `[..., N]`."""
    steps = tf.where(beyond >= 0.0, 1.0, 0.0)
    return steps[..., :-1] - steps[..., 1:]
