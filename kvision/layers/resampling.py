"""Up-sampling by two in every way that the courses name, and the pooling whose indices max-unpooling needs.

All are exact in shape (`[B, H, W, C]` to `[B, 2H, 2W, C]`), differentiable, and built of plain operations that also run on devices.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf


def sizes(image: tf.Tensor) -> tuple[Any, Any]:
    """Height and width of `[B, H, W, C]`: numbers where they are known, so that they stay constants on devices, else int32 scalars."""
    shape = tf.shape(image)
    height, width = (shape[axis] if image.shape[axis] is None else image.shape[axis] for axis in (1, 2))
    return height, width


def interleave(quarters: list[tf.Tensor]) -> tf.Tensor:
    """Lays four tensors into blocks of 2x2: row by row top left, top right, bottom left, bottom right.

    Args:
        quarters: Four tensors `[B, H, W, C]`.

    Returns:
        `[B, 2H, 2W, C]`.
    """
    height, width = sizes(quarters[0])
    channels = quarters[0].shape[-1]
    rows = [tf.reshape(tf.concat(pair, axis=-1), [-1, height, 2 * width * channels]) for pair in (quarters[:2], quarters[2:])]
    return tf.reshape(tf.concat(rows, axis=-1), [-1, 2 * height, 2 * width, channels])


def quarters(image: tf.Tensor) -> list[tf.Tensor]:
    """The reverse of `interleave`: the four `[B, H, W, C]` of `[B, 2H, 2W, C]`."""
    height, width = (side // 2 for side in sizes(image))
    channels = image.shape[3]
    rows = tf.split(tf.reshape(image, [-1, height, 4 * width * channels]), 2, axis=-1)
    return [part for row in rows for part in tf.split(tf.reshape(row, [-1, height, width, 2 * channels]), 2, axis=-1)]


def bicubic_matrix(size: int | tf.Tensor) -> np.ndarray | tf.Tensor:
    """Weights `[2 size, size]` that up-sample one axis by two with Keys' cubic kernel, a = -0.5.

    Pixel centres lie at i + 0.5; taps beyond the edge are left out and the others renormalised, as Pillow and `tf.image.resize` do.

    Args:
        size: Pixels; a tensor gives a tensor.

    Returns:
        float32 `[2 size, size]`.

    References:
        Keys 1981, equation 15.
    """
    if tf.is_tensor(size):
        places = tf.cast(tf.range(2 * size), tf.float64)
        return tf.cast(_cubic(places, places[:size], tf.experimental.numpy), tf.float32)
    return np.asarray(_cubic(np.arange(2 * size), np.arange(size), np), np.float32)


def _cubic(outputs: Any, inputs: Any, numpy: Any) -> Any:
    """Weights float64 `[2 size, size]`, by numpy itself or by TensorFlow's imitation of it."""
    distance = abs(((outputs + 0.5) / 2 - 0.5)[:, None] - inputs[None, :])
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = numpy.where(distance <= 1, near, numpy.where(distance < 2, far, 0.0))
    return weights / numpy.sum(weights, axis=1, keepdims=True)


class _Doubling(keras.layers.Layer):
    """A layer without weights from `[B, H, W, C]` to `[B, 2H, 2W, C]`."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Twice the height and the width."""
        batch, height, width, channels = input_shape
        return batch, height and 2 * height, width and 2 * width, channels


@keras.saving.register_keras_serializable("kvision")
class Nearest(_Doubling):
    """Repeats each pixel in its 2x2 block."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` to `[B, 2H, 2W, C]`."""
        height, width = sizes(inputs)
        return tf.image.resize(inputs, [2 * height, 2 * width], "nearest")


@keras.saving.register_keras_serializable("kvision")
class Bilinear(_Doubling):
    """Linear interpolation along both axes between pixel centres at i + 0.5, the edge pixel held beyond the edge."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` to `[B, 2H, 2W, C]`."""
        height, width = sizes(inputs)
        return tf.cast(tf.image.resize(inputs, [2 * height, 2 * width], "bilinear"), inputs.dtype)


@keras.saving.register_keras_serializable("kvision")
class Bicubic(_Doubling):
    """Cubic interpolation along both axes; as two matrix products, since no device runtime has a bicubic operation. See `bicubic_matrix`."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` to `[B, 2H, 2W, C]`."""
        height, width = sizes(inputs)
        channels = inputs.shape[-1]
        rows = tf.cast(bicubic_matrix(height), inputs.dtype)
        columns = tf.cast(bicubic_matrix(width), inputs.dtype)
        tall = tf.matmul(rows, tf.reshape(inputs, [-1, height, width * channels]))
        return tf.reshape(tf.matmul(columns, tf.reshape(tall, [-1, width, channels])), [-1, 2 * height, 2 * width, channels])


@keras.saving.register_keras_serializable("kvision")
class BedOfNails(_Doubling):
    """Zero insertion: the pixel at the top left of its 2x2 block, zeros elsewhere."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` to `[B, 2H, 2W, C]`."""
        zeros = tf.zeros_like(inputs)
        return interleave([inputs, zeros, zeros, zeros])


@keras.saving.register_keras_serializable("kvision")
class MaxPoolWithIndices(keras.layers.Layer):
    """Max-pooling over 2x2 that remembers where each maximum stood; of equal ones the first, row by row."""

    def call(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`[B, 2H, 2W, C]` to maxima `[B, H, W, C]` and their places in the block, int32 0-3 `[B, H, W, C]`."""
        pooled = tf.nn.max_pool2d(inputs, 2, 2, "VALID")
        top_left, top_right, bottom_left, _ = (corner == pooled for corner in quarters(inputs))
        bottom = tf.where(bottom_left, 2, 3)
        return pooled, tf.where(top_left, 0, tf.where(top_right, 1, bottom))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[tuple[int | None, ...], ...]:
        """Half the height and the width, twice."""
        batch, height, width, channels = input_shape
        return ((batch, height and height // 2, width and width // 2, channels),) * 2

    def compute_output_spec(self, inputs: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Maxima in the layer's dtype, places in int32."""
        pooled, indices = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(pooled, self.compute_dtype), keras.KerasTensor(indices, "int32")


@keras.saving.register_keras_serializable("kvision")
class MaxUnpool(_Doubling):
    """Puts each pixel back to the place that `MaxPoolWithIndices` remembers, zeros elsewhere (Zeiler 2011)."""

    def call(self, inputs: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        """`[B, H, W, C]` and places int32 0-3 of the same shape to `[B, 2H, 2W, C]`."""
        zeros = tf.zeros_like(inputs)
        return interleave([tf.where(indices == corner, inputs, zeros) for corner in range(4)])

    def compute_output_shape(self, inputs_shape: tuple[int | None, ...], indices_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:  # type: ignore[override]
        """Twice the height and the width."""
        return super().compute_output_shape(inputs_shape)


LAYERS = {"nearest": Nearest, "bilinear": Bilinear, "bicubic": Bicubic, "bed_of_nails": BedOfNails}
"""The up-samplings that need neither weights nor indices, by their names in recipes."""
