"""Up-samplings against numbers worked by hand and against Pillow and TensorFlow."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision.layers import resampling


def image(rows: list[list[float]]) -> tf.Tensor:
    """One example of one channel `[1, H, W, 1]`."""
    return tf.constant(rows, tf.float32)[None, :, :, None]


def plain(tensor: tf.Tensor) -> list[list[float]]:
    return tensor.numpy()[0, :, :, 0].tolist()


SMALL = image([[1, 2], [3, 4]])


def test_nearest_repeats() -> None:
    assert plain(resampling.Nearest()(SMALL)) == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_bed_of_nails_inserts_zeros() -> None:
    assert plain(resampling.BedOfNails()(SMALL)) == [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]


def test_bilinear_takes_quarters() -> None:
    # Centres at -1/4, 1/4, 3/4, 5/4: a row 1 2 becomes 1, 1.25, 1.75, 2.
    expected = [[1, 1.25, 1.75, 2], [1.5, 1.75, 2.25, 2.5], [2.5, 2.75, 3.25, 3.5], [3, 3.25, 3.75, 4]]
    assert plain(resampling.Bilinear()(SMALL)) == expected


def test_bicubic_weights_are_keys_cubic() -> None:
    matrix = resampling.bicubic_matrix(8)
    # At a distance of 1/4 from a pixel: Keys' cubic, a = -1/2, at 5/4, 1/4, 3/4, 7/4.
    np.testing.assert_allclose(matrix[9, 3:7], [-0.0703125, 0.8671875, 0.2265625, -0.0234375])
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, rtol=1e-6)


def test_bicubic_equals_pillow_and_tensorflow() -> None:
    pixels = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    ours = resampling.Bicubic()(tf.constant(pixels)[None, :, :, None]).numpy()[0, :, :, 0]
    np.testing.assert_allclose(ours, np.asarray(Image.fromarray(pixels).resize((14, 10), Image.Resampling.BICUBIC)), atol=1e-5)
    np.testing.assert_allclose(ours, tf.image.resize(pixels[None, :, :, None], [10, 14], "bicubic")[0, :, :, 0], atol=2e-3)  # TF tabulates


POOLED = [[5, 1, 0, 0], [2, 5, 0, 0], [-1, -2, 3, 4], [-3, -4, 7, 6]]


def test_pooling_remembers_the_first_of_equal_maxima() -> None:
    pooled, indices = resampling.MaxPoolWithIndices()(image(POOLED))
    assert plain(pooled) == [[5, 0], [-1, 7]]
    assert plain(indices) == [[0, 0], [0, 2]]


def test_unpooling_puts_values_where_the_maxima_stood() -> None:
    _, indices = resampling.MaxPoolWithIndices()(image(POOLED))
    expected = [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 0, 0], [0, 0, 4, 0]]
    assert plain(resampling.MaxUnpool()(SMALL, indices)) == expected


def test_unpooling_agrees_with_argmax_and_scatter() -> None:
    x, values = tf.random.normal((2, 6, 8, 3)), tf.random.normal((2, 3, 4, 3))
    pooled, indices = resampling.MaxPoolWithIndices()(x)
    reference, places = tf.nn.max_pool_with_argmax(x, 2, 2, "VALID", include_batch_in_index=True)
    scattered = tf.scatter_nd(tf.reshape(places, [-1, 1]), tf.reshape(values, [-1]), [2 * 6 * 8 * 3])
    np.testing.assert_array_equal(pooled, reference)
    np.testing.assert_array_equal(resampling.MaxUnpool()(values, indices), tf.reshape(scattered, [2, 6, 8, 3]))


def test_interleaving_and_quarters_are_inverse() -> None:
    x = tf.random.normal((2, 6, 8, 3))
    np.testing.assert_array_equal(resampling.interleave(resampling.quarters(x)), x)
    np.testing.assert_array_equal(resampling.quarters(x)[1], x[:, ::2, 1::2])
    np.testing.assert_array_equal(resampling.quarters(x)[2], x[:, 1::2, ::2])


@pytest.mark.parametrize("name", resampling.LAYERS)
def test_gradients_are_the_transpose(name: str) -> None:
    layer, x, upstream = resampling.LAYERS[name](), tf.random.normal((2, 3, 5, 4)), tf.random.normal((2, 6, 10, 4))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x)
    assert y.shape == (2, 6, 10, 4)
    gradient = tape.gradient(y, x, output_gradients=upstream)
    # <A x, u> = <x, A' u> for a linear map A.
    np.testing.assert_allclose(tf.reduce_sum(y * upstream), tf.reduce_sum(x * gradient), rtol=1e-4, atol=1e-4)


def test_the_gradient_of_unpooling_reads_at_the_remembered_places() -> None:
    _, indices = resampling.MaxPoolWithIndices()(image(POOLED))
    upstream = image([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]])
    with tf.GradientTape() as tape:
        tape.watch(SMALL)
        y = resampling.MaxUnpool()(SMALL, indices)
    assert plain(tape.gradient(y, SMALL, output_gradients=upstream)) == [[1, 3], [9, 15]]


@pytest.mark.parametrize("name", [*resampling.LAYERS, "max_unpool"])
def test_they_work_in_a_saved_bfloat16_model(name: str, tmp_path) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    entry = keras.Input((4, 6, 2))
    if name == "max_unpool":
        pooled, indices = resampling.MaxPoolWithIndices()(entry)
        out = resampling.MaxUnpool()(pooled, indices)
    else:
        out = resampling.LAYERS[name]()(entry)
    model = keras.Model(entry, out)
    x = tf.random.normal((3, 4, 6, 2))
    assert model(x).dtype == tf.bfloat16
    assert model(x).shape == (3, *model.output_shape[1:])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(tf.cast(model(x), tf.float32), tf.cast(loaded(x), tf.float32))
