"""Test-time augmentation: the views that go in, the mean that comes out, and nothing of it in training."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers.views import NUM_VIEWS, Averaged, Views

X = np.random.default_rng(0).normal(size=(3, 16, 16, 2)).astype(np.float32)


def test_flip_gives_the_pictures_and_their_mirror_images() -> None:
    found = Views("flip")(X, training=False).numpy()
    np.testing.assert_array_equal(found, np.concatenate([X, X[:, :, ::-1]]))


def test_ten_crop_gives_corners_and_middle_and_their_mirror_images() -> None:
    found = Views("ten_crop")(X, training=False).numpy().reshape(10, 3, 16, 16, 2)
    np.testing.assert_array_equal(found[5:], found[:5, :, :, ::-1])
    for view, (top, left) in zip(found, [(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)], strict=False):
        crop = X[:, top : top + 14, left : left + 14]
        np.testing.assert_allclose(view, tf.image.resize(crop, (16, 16)), atol=1e-6)
        # The corners of an enlarged picture are its own corners.
        np.testing.assert_allclose(view[:, 0, 0], crop[:, 0, 0], atol=1e-6)
        np.testing.assert_allclose(view[:, -1, -1], crop[:, -1, -1], atol=1e-6)


@pytest.mark.parametrize("kind", NUM_VIEWS)
def test_the_mean_is_each_picture_s_own(kind: str) -> None:
    entry = keras.Input((16, 16, 2))
    inner = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(4)])
    net = keras.Model(entry, Averaged(kind)(inner(Views(kind)(entry))))
    views = Views(kind)(X, training=False).numpy().reshape(NUM_VIEWS[kind], 3, 16, 16, 2)
    expected = np.mean([inner(view) for view in views], axis=0)
    np.testing.assert_allclose(net(X, training=False), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(net(X, training=True), inner(X))
    for layer in (Views(kind), Averaged(kind)):
        assert type(layer).from_config(layer.get_config()).kind == kind


def test_a_mirrored_picture_gets_the_same_answer() -> None:
    entry = keras.Input((16, 16, 2))
    inner = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(4)])
    net = keras.Model(entry, Averaged("flip")(inner(Views("flip")(entry))))
    np.testing.assert_allclose(net(X), net(X[:, :, ::-1]), rtol=1e-4, atol=1e-5)
    assert np.abs(inner(X) - inner(X[:, :, ::-1])).max() > 0.01
