"""Blur against scipy, noise by its moments, squares by hand."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from scipy import ndimage

from kvision.ops import filters


def test_blur_is_scipys() -> None:
    image = np.random.default_rng(0).uniform(0, 255, [20, 31, 3]).astype(np.float32)
    for sigma in (0.4, 1.1, 1.5):
        expected = ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="mirror", radius=(5, 5, 0))
        np.testing.assert_allclose(filters.gaussian_blur(tf.constant(image), tf.constant(sigma), 1.5), expected, atol=0.01)


def test_blur_of_a_picture_smaller_than_its_window_keeps_the_mean_colour() -> None:
    image = tf.fill([3, 2, 3], 80.0)
    np.testing.assert_allclose(filters.gaussian_blur(image, tf.constant(4.0), 5.0), image, rtol=1e-5)


def test_noise_has_the_deviation_asked_for_and_is_clipped() -> None:
    noisy = filters.gaussian_noise(tf.fill([64, 64, 3], 127.0), tf.constant(0.05), tf.constant([1, 2])).numpy()
    assert abs(noisy.mean() - 127) < 0.5
    assert abs(noisy.std() - 0.05 * 255) < 0.3
    clipped = filters.gaussian_noise(tf.fill([8, 8, 3], 250.0), tf.constant(1.0), tf.constant([1, 2])).numpy()
    assert clipped.max() == 255
    assert clipped.min() >= 0


def test_a_square_by_hand_and_beyond_the_edge() -> None:
    inside = filters.square(8, 8, 0.5, tf.constant([0.5, 0.5])).numpy()
    assert inside[2:6, 2:6].all()
    assert inside.sum() == 16
    assert filters.square(8, 8, 0.5, tf.constant([0.0, 0.0])).numpy().sum() == 4
