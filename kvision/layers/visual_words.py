"""A bag of visual words: how much of each word of a codebook, learnt by k-means from whitened patches, there is in each part of a picture.

Papers: Csurka et al. 2004, Visual categorization with bags of keypoints (ECCV workshop), for `hard`; Coates, Lee & Ng 2011, An analysis of
single-layer networks in unsupervised feature learning (AISTATS), section 3.2, for dense whitened patches and `triangle`.
Deviations: patches lie on a grid in both; parts of the picture are averaged, not summed; the codebook is learnt by minibatches (Sculley 2010).
Shapes: P numbers of a patch, M words, R, Q rows and columns of patches, V x V parts.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, Literal

import keras
import numpy as np
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.layers import whitening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Encoding = Literal["triangle", "hard"]
MOST_PATCHES = 100_000
"""That the codebook is learnt from, as many of each picture."""
CONTRAST = 10 / 255**2
"""Is added to the variance of a patch, so that noise in flat places is not amplified (Coates 2011: 10, for values of 0-255)."""
EPSILON = 0.1
"""Is added to the variances of the patches' principal components."""


@keras.saving.register_keras_serializable("kvision")
class VisualWords(keras.layers.Layer):
    """Words in the parts of pictures. Everything is non-trainable weights, and set by `fit`.

    Args:
        words: M.
        patch_px: Side of a patch, pixels.
        stride_px: From one patch to the next, pixels.
        encoding: `hard`: a patch is the nearest word; `triangle`: it is all words that are nearer than the mean, by how much they are.
        parts: V; 1: the whole picture.
        **kwargs: As for every Keras layer; `dtype` is float32 whatever the policy.
    """

    def __init__(self, words: int, patch_px: int = 6, stride_px: int = 1, encoding: Encoding = "triangle", parts: int = 2, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.words = words
        self.patch_px = patch_px
        self.stride_px = stride_px
        self.encoding = encoding
        self.parts = parts

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the whitening, `kernel` `[P, P]` and `bias` `[P]`, and the `codebook` `[M, P]`."""
        size = self.patch_px**2 * input_shape[-1]  # type: ignore[operator]
        self.kernel = self.add_weight(shape=(size, size), initializer="identity", trainable=False, name="kernel")
        self.bias = self.add_weight(shape=(size,), initializer="zeros", trainable=False, name="bias")
        self.codebook = self.add_weight(shape=(self.words, size), initializer="random_normal", trainable=False, name="codebook")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Pictures `[B, H, W, C]`, 0-1, to `[B, V * V * M]`, part by part."""
        white = tf.matmul(patches(inputs, self.patch_px, self.stride_px), tf.convert_to_tensor(self.kernel)) + tf.convert_to_tensor(self.bias)
        codebook = tf.convert_to_tensor(self.codebook)
        halves = 0.5 * tf.reduce_sum(tf.square(codebook), axis=1)
        close = tf.matmul(white, codebook, transpose_b=True) - halves
        if self.encoding == "hard":
            found = tf.where(close >= tf.reduce_max(close, axis=-1, keepdims=True), 1.0, 0.0)
        else:
            squares = tf.reduce_sum(white * white, axis=-1, keepdims=True) - 2.0 * close
            distances = tf.sqrt(tf.nn.relu(squares))
            found = tf.nn.relu(tf.reduce_mean(distances, axis=-1, keepdims=True) - distances)
        return self._pooled(found)

    def _pooled(self, found: tf.Tensor) -> tf.Tensor:
        """The mean of `[B, R, Q, M]` over each part, `[B, V * V * M]`."""
        rows, columns = (np.linspace(0, side, self.parts + 1).round().astype(int).tolist() for side in found.shape[1:3])
        means = [
            tf.reduce_mean(found[:, top:bottom, left:right], axis=(1, 2))
            for top, bottom in itertools.pairwise(rows)
            for left, right in itertools.pairwise(columns)
        ]
        return tf.concat(means, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[B, V * V * M]`."""
        return input_shape[0], self.parts**2 * self.words

    def get_config(self) -> dict[str, Any]:
        """What the constructor takes."""
        own = {"words": self.words, "patch_px": self.patch_px, "stride_px": self.stride_px, "encoding": self.encoding, "parts": self.parts}
        return {**super().get_config(), **own}


def patches(images: tf.Tensor, patch_px: int, stride_px: int) -> tf.Tensor:
    """All patches on a grid, each with its mean taken away and divided by its deviation.

    Args:
        images: `[B, H, W, C]`, 0-1.
        patch_px: Side, pixels.
        stride_px: From one to the next, pixels.

    Returns:
        `[B, R, Q, P]`.

    References:
        Coates 2011, section 3.2.1; `CONTRAST` is added to the variance.
    """
    size = patch_px**2 * images.shape[-1]
    every_value = np.eye(size, dtype=np.float32).reshape(patch_px, patch_px, images.shape[-1], size)
    taken = tf.nn.conv2d(images, every_value - np.float32(1 / size), stride_px, "VALID")
    # As a further value, what is added to the variance comes out of one normalisation, which a device does exactly.
    floor = math.sqrt(size * CONTRAST) + 0.0 * taken[..., :1]
    return math.sqrt(size) * tf.math.l2_normalize(tf.concat([taken, floor], axis=-1), axis=-1)[..., :-1]


def fit(layer: VisualWords, pictures: Callable[[], Iterable[np.ndarray]], seed: int) -> None:
    """Learns whitening and codebook.

    Args:
        layer: Built.
        pictures: Gives its inputs `[b, H, W, C]`, batch by batch, each time that it is called.
        seed: Of the patches that are looked at, and of k-means.

    Raises:
        DataError: If there are fewer patches than words.
    """
    from sklearn.cluster import MiniBatchKMeans

    drawn = draw(pictures, layer.patch_px, layer.stride_px, seed)
    if len(drawn) < max(2, layer.words):
        raise DataError(f"model.words: {layer.words} can't be told apart in {len(drawn)} patches; use fewer, or more pictures")
    kernel, bias = whitening.projection(*whitening.moments([drawn]), "zca", None, EPSILON)
    found = MiniBatchKMeans(layer.words, random_state=seed, n_init=3, batch_size=4096).fit((drawn @ kernel + bias).astype(np.float32))
    for weight, value in ((layer.kernel, kernel), (layer.bias, bias), (layer.codebook, found.cluster_centers_)):
        weight.assign(value)


def draw(pictures: Callable[[], Iterable[np.ndarray]], patch_px: int, stride_px: int, seed: int) -> np.ndarray:
    """Up to about `MOST_PATCHES` of the `patches` at random, as many of each picture: `[N, P]`; arguments as for `fit` and `patches`."""
    each = max(1, MOST_PATCHES // sum(len(batch) for batch in pictures()))
    generator, drawn = np.random.default_rng(seed), []
    for batch in pictures():
        found = patches(tf.constant(batch), patch_px, stride_px).numpy()
        found = found.reshape(len(batch), -1, found.shape[-1])
        places = generator.random(found.shape[:2]).argsort(axis=1)[:, :each]
        drawn.append(np.take_along_axis(found, places[..., None], axis=1).reshape(-1, found.shape[-1]))
    return np.concatenate(drawn)
