"""Segmentation losses on numbers worked by hand, and against Keras and TensorFlow."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.losses import segmentation

# Probabilities of two classes at four pixels of one example.
P = np.array([[[0.8, 0.2], [0.4, 0.6]], [[0.5, 0.5], [0.9, 0.1]]])
LOGITS = tf.constant(np.log(P)[None], tf.float32)
MASK = tf.constant([[[0, 1], [0, 1]]], tf.uint8)
IGNORED = tf.constant([[[0, 1], [255, 1]]], tf.uint8)


def random_case(k: int = 5) -> tuple[tf.Tensor, tf.Tensor]:
    mask = tf.random.uniform((3, 8, 6), 0, k, tf.int32)
    return tf.random.normal((3, 8, 6, k)) * 3, tf.cast(tf.where(tf.random.uniform((3, 8, 6)) < 0.2, 255, mask), tf.uint8)


def gradient(loss, logits: tf.Tensor) -> np.ndarray:
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = tf.reduce_sum(loss(logits))
    return tape.gradient(value, logits).numpy()


def test_cross_entropy_by_hand() -> None:
    assert segmentation.cross_entropy(LOGITS, MASK).numpy() == pytest.approx([-math.log(0.8 * 0.6 * 0.5 * 0.1) / 4])


def test_ignored_pixels_do_not_count() -> None:
    assert segmentation.cross_entropy(LOGITS, IGNORED).numpy() == pytest.approx([-math.log(0.8 * 0.6 * 0.1) / 3])


def test_class_weights_multiply_and_are_not_divided_out() -> None:
    expected = -(2 * math.log(0.8 * 0.5) + 0.5 * math.log(0.6 * 0.1)) / 4
    assert segmentation.cross_entropy(LOGITS, MASK, class_weights=(2.0, 0.5)).numpy() == pytest.approx([expected])


def test_pixel_weights_are_added_to_the_class_weight() -> None:
    extra = tf.constant([[[0.0, 3.0], [0.0, 0.0]]])
    assert segmentation.cross_entropy(LOGITS, MASK, pixel_weights=extra).numpy() == pytest.approx(
        [-(math.log(0.8 * 0.5 * 0.1) + 4 * math.log(0.6)) / 4]
    )


def test_label_smoothing_equals_keras() -> None:
    logits, mask = random_case()
    mask = tf.where(mask == 255, tf.constant(0, tf.uint8), mask)
    reference = keras.losses.categorical_crossentropy(tf.one_hot(mask, 5), logits, from_logits=True, label_smoothing=0.1)
    np.testing.assert_allclose(segmentation.cross_entropy(logits, mask, label_smoothing=0.1), tf.reduce_mean(reference, axis=[1, 2]), rtol=1e-5)


def fused(logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Cross-entropy by TensorFlow's own operation."""
    counted = tf.cast(mask != 255, tf.float32)
    labels = tf.where(mask == 255, 0, tf.cast(mask, tf.int32))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits) * counted
    return tf.reduce_sum(losses, axis=[1, 2]) / tf.reduce_sum(counted, axis=[1, 2])


def test_cross_entropy_and_its_gradient_equal_the_fused_operation() -> None:
    logits, mask = random_case()
    np.testing.assert_allclose(segmentation.cross_entropy(logits, mask), fused(logits, mask), rtol=1e-5)
    ours = gradient(lambda x: segmentation.cross_entropy(x, mask), logits)
    np.testing.assert_allclose(ours, gradient(lambda x: fused(x, mask), logits), atol=1e-7)


def test_focal_by_hand() -> None:
    terms = [-((1 - p) ** 2) * math.log(p) for p in (0.8, 0.6, 0.5, 0.1)]
    assert segmentation.focal(LOGITS, MASK, gamma=2.0).numpy() == pytest.approx([sum(terms) / 4], rel=1e-5)


def test_focal_without_focus_is_cross_entropy() -> None:
    logits, mask = random_case()
    np.testing.assert_array_equal(segmentation.focal(logits, mask, gamma=0.0), segmentation.cross_entropy(logits, mask))


def test_dice_by_hand() -> None:
    # Class 0: shared 0.8 + 0.5, predicted 2.6, true 2. Class 1: shared 0.6 + 0.1, predicted 1.4, true 2.
    expected = 1 - ((2 * 1.3 + 1) / (2.6 + 2 + 1) + (2 * 0.7 + 1) / (1.4 + 2 + 1)) / 2
    assert segmentation.dice(LOGITS, MASK).numpy() == pytest.approx([expected])


def test_dice_leaves_out_absent_classes_and_ignored_pixels() -> None:
    mask = tf.constant([[[1, 1], [255, 1]]], tf.uint8)
    expected = 1 - (2 * (0.2 + 0.6 + 0.1) + 1) / ((0.2 + 0.6 + 0.1) + 3 + 1)
    assert segmentation.dice(LOGITS, mask).numpy() == pytest.approx([expected])


def naive_dice(logits: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Dice as its formula stands, with TensorFlow's own gradient."""
    truth = tf.one_hot(tf.where(mask == 255, -1, tf.cast(mask, tf.int32)), logits.shape[-1])
    probabilities = tf.nn.softmax(logits) * tf.cast(mask != 255, tf.float32)[..., None]
    shared, total, true = (tf.reduce_sum(x, axis=[1, 2]) for x in (probabilities * truth, probabilities, truth))
    present = tf.cast(true > 0, tf.float32)
    return tf.reduce_sum(present * (1 - (2 * shared + 1) / (total + true + 1)), -1) / tf.reduce_sum(present, -1)


def test_dice_and_its_gradient_equal_the_plain_formula() -> None:
    logits, mask = random_case()
    np.testing.assert_allclose(segmentation.dice(logits, mask), naive_dice(logits, mask), rtol=1e-5)
    ours = gradient(lambda x: segmentation.dice(x, mask), logits)
    np.testing.assert_allclose(ours, gradient(lambda x: naive_dice(x, mask), logits), atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_dice_is_the_sum_of_both(smoothing: float) -> None:
    logits, mask = random_case()
    options = {"class_weights": (1.0, 2.0, 0.5, 1.0, 3.0), "label_smoothing": smoothing}

    def total(x: tf.Tensor) -> tf.Tensor:
        return segmentation.cross_entropy(x, mask, **options) + segmentation.dice(x, mask)

    np.testing.assert_allclose(segmentation.cross_entropy_dice(logits, mask, **options), total(logits), rtol=1e-5)
    ours = gradient(lambda x: segmentation.cross_entropy_dice(x, mask, **options), logits)
    np.testing.assert_allclose(ours, gradient(total, logits), atol=1e-6)


LOSSES = [segmentation.cross_entropy, segmentation.focal, segmentation.dice, segmentation.cross_entropy_dice]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_extreme_logits_stay_finite(loss, dtype: str) -> None:
    logits = tf.constant([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [0.0, 0.0, 0.0], [200.0, 0.0, -200.0]], dtype, shape=[1, 2, 2, 3])
    mask = tf.constant([[[0, 0], [2, 255]]], tf.uint8)
    value = loss(logits, mask)
    assert value.dtype == tf.float32
    assert np.isfinite(value.numpy()).all()
    assert np.isfinite(gradient(lambda x: loss(x, mask), logits).astype(np.float32)).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_float64_logits_give_a_float64_loss(loss) -> None:
    logits, mask = random_case()
    wide = loss(tf.cast(logits, tf.float64), mask)
    assert wide.dtype == tf.float64
    np.testing.assert_allclose(loss(logits, mask), wide, rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_an_example_without_any_counted_pixel_adds_nothing(loss) -> None:
    mask = tf.fill((1, 2, 2), tf.constant(255, tf.uint8))
    assert loss(LOGITS, mask).numpy().tolist() == [0.0]
    assert not gradient(lambda x: loss(x, mask), LOGITS).any()


def test_focal_has_a_derivative_where_the_probability_is_one() -> None:
    logits = tf.constant([[[[50.0, -50.0]]]])
    assert np.isfinite(gradient(lambda x: segmentation.focal(x, tf.zeros((1, 1, 1), tf.uint8), gamma=0.5), logits)).all()


def test_border_weights_by_hand() -> None:
    distances = tf.constant([[0.0, 0.0], [2.0, 3.0], [1.0, 1e6]])[None, None]
    expected = [10.0, 10 * math.exp(-25 / 18), 0.0]
    assert segmentation.border_weights(distances, w0=10.0, sigma_px=3.0).numpy().ravel() == pytest.approx(expected)
