"""Test-time augmentation within the network: several views of each picture go through it, and their logits are averaged.

Paper: Krizhevsky et al. 2012, ImageNet Classification with Deep Convolutional Neural Networks (NIPS), section 4.1 (ten crops).
Deviations: crops are 7/8 of the side, as 224 is of 256, and enlarged to the network's size; logits are averaged, that is the geometric mean of the
probabilities, so that the answer is in logits still and rounds well in whole numbers.
"""

from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf

Kind = Literal["flip", "ten_crop"]
NUM_VIEWS: dict[Kind, int] = {"flip": 2, "ten_crop": 10}
CROP = 7 / 8


class _OfKind(keras.layers.Layer):
    """What the layers before and after the network share: the kind of views, and that the batch may change its size."""

    def __init__(self, kind: Kind, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape, with a batch of any size."""
        return None, *input_shape[1:]

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {**super().get_config(), "kind": self.kind}


@keras.saving.register_keras_serializable("kvision")
class Views(_OfKind):
    """The views of each picture, one set after the other along the batch; in training the pictures as they are."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[B, S, S, C]` to `[V * B, S, S, C]`, the plain views first, then their mirror images."""
        if training:
            return inputs
        views = [inputs] if self.kind == "flip" else _crops(inputs)
        return tf.concat([*views, *(tf.reverse(view, [2]) for view in views)], axis=0)


@keras.saving.register_keras_serializable("kvision")
class Averaged(_OfKind):
    """The mean over the views of each picture; in training the inputs as they are."""

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """`[V * B, K]` to `[B, K]`."""
        if training:
            return inputs
        return tf.reduce_mean(tf.reshape(inputs, [NUM_VIEWS[self.kind], -1, inputs.shape[-1]]), axis=0)


def _crops(images: tf.Tensor) -> list[tf.Tensor]:
    """The four corners and the middle, enlarged to the pictures' size."""
    height, width = images.shape[1:3]
    high, wide = round(CROP * height), round(CROP * width)
    bottom, right = height - high, width - wide
    corners = ((0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2))
    crops = [tf.image.resize(images[:, top : top + high, left : left + wide], (height, width)) for top, left in corners]
    return [tf.cast(crop, images.dtype) for crop in crops]
