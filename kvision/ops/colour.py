"""Changes of colour as one affine map of RGB: `x -> matrix x + offset`. Values are float32, 0-255 as far as a range matters."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

LUMA = np.array([0.30, 0.59, 0.11], np.float32)
"""Weights of R, G, B in the brightness that the eye sees (NTSC, as in Python's `colorsys`)."""
_RED, _BLUE = np.eye(3)[0] - LUMA, np.eye(3)[2] - LUMA
_TO_YIQ = np.stack([LUMA, 0.74 * _RED - 0.27 * _BLUE, 0.48 * _RED + 0.41 * _BLUE]).astype(np.float32)
_FROM_YIQ = np.linalg.inv(_TO_YIQ).astype(np.float32)


def saturation_matrix(factor: tf.Tensor) -> tf.Tensor:
    """`[3, 3]`: every colour goes towards its grey (factor below 1) or away from it (above 1); its luma stays."""
    grey = np.tile(LUMA, [3, 1])
    return factor * tf.eye(3) + (1.0 - factor) * grey


def hue_matrix(turn: tf.Tensor) -> tf.Tensor:
    """`[3, 3]`: every colour is turned about the grey axis of YIQ by `turn`, a fraction of the circle; luma and greys stay."""
    angle = turn * (2 * math.pi)
    cos, sin = tf.cos(angle), tf.sin(angle)
    rotation = tf.reshape(tf.stack([1.0, 0.0, 0.0, 0.0, cos, -sin, 0.0, sin, cos]), [3, 3])
    return tf.matmul(tf.matmul(tf.constant(_FROM_YIQ), rotation), tf.constant(_TO_YIQ))


def adjust(image: tf.Tensor, brightness: tf.Tensor, contrast: tf.Tensor, saturation: tf.Tensor, hue: tf.Tensor) -> tf.Tensor:
    """Saturation and hue, then contrast about the picture's mean luma, then brightness.

    Args:
        image: float32 `[H, W, 3]`, 0-255.
        brightness: What is added, as a fraction of 255; scalar.
        contrast: Factor; 1 changes nothing; scalar.
        saturation: Factor; 1 changes nothing; scalar.
        hue: Turn as a fraction of the circle; scalar.

    Returns:
        float32 `[H, W, 3]`, clipped to 0-255.
    """
    matrix = contrast * tf.matmul(hue_matrix(hue), saturation_matrix(saturation))
    mean = tf.tensordot(tf.reduce_mean(image, axis=[0, 1]), tf.constant(LUMA), 1)
    offset = (1.0 - contrast) * mean + brightness * 255.0
    # Not a matrix product: XLA makes one loop of this.
    red, green, blue = (image[..., channel : channel + 1] * matrix[:, channel] for channel in range(3))
    return tf.clip_by_value(red + green + blue + offset, 0.0, 255.0)
