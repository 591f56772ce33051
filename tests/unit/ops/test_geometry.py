"""Warps: hand-worked matrices, inverses and sampling."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from kvision.ops import geometry
from kvision.ops.geometry import Warp


def affine(
    height: int = 10, width: int = 10, angle: float = 0.0, zoom: float = 1.0, shear: float = 0.0, centre: tuple[float, float] = (0, 0)
) -> np.ndarray:
    scalars = [tf.constant(value, tf.float32) for value in (angle, zoom, shear)]
    return geometry.affine(height, width, *scalars, tf.constant(centre, tf.float32)).numpy()


def test_affine_by_hand() -> None:
    np.testing.assert_allclose(affine(), [[1, 0, 0], [0, 1, 0]], atol=1e-6)
    np.testing.assert_allclose(affine(zoom=2.0), [[0.5, 0, 2.25], [0, 0.5, 2.25]], atol=1e-6)
    np.testing.assert_allclose(affine(zoom=2.0, centre=(-1, 1)), [[0.5, 0, -0.25], [0, 0.5, 4.75]], atol=1e-6)
    np.testing.assert_allclose(affine(angle=np.pi / 2), [[0, 1, 0], [-1, 0, 9]], atol=1e-5)
    np.testing.assert_allclose(affine(shear=np.pi / 4), [[1, 0, 0], [-1, 1, 4.5]], atol=1e-5)


def test_zoomed_to_a_corner_the_window_is_that_corner() -> None:
    picture = np.arange(64, dtype=np.float32).reshape(8, 8, 1)
    points = geometry.lookup(Warp(tf.constant(affine(8, 8, zoom=2.0, centre=(1, -1))), tf.constant(0.0)), 8, 8)
    sampled = geometry.sample_bilinear(tf.constant(picture), points).numpy()[..., 0]
    np.testing.assert_allclose(sampled.reshape(4, 2, 4, 2).mean((1, 3))[1:-1, 1:-1], picture[4:, :4, 0][1:-1, 1:-1], atol=1e-4)


@pytest.mark.parametrize("strength", [-0.5, -0.15, 0.0, 0.15, 0.5])
def test_the_lens_keeps_middle_and_corners_and_can_be_undone(strength: float) -> None:
    k = tf.constant(strength)
    fixed = tf.constant([[4.5, 9.5], [-0.5, -0.5], [9.5, 19.5]])
    np.testing.assert_allclose(geometry.lens(fixed, k, 10, 20), fixed, atol=1e-4)
    points = tf.random.stateless_uniform([50, 2], [1, 2], 0.0, 1.0) * [9.0, 19.0]
    np.testing.assert_allclose(geometry.undo_lens(geometry.lens(points, k, 10, 20), k, 10, 20), points, atol=2e-3)


def test_the_lens_by_hand() -> None:
    halfway = tf.constant([[0.0, 0.5 * 5 * 2**0.5]])
    moved = geometry.lens(halfway + 4.5, tf.constant(-0.2), 10, 10) - 4.5
    np.testing.assert_allclose(moved, halfway * (0.8 / (1 - 0.2 * 0.25)), rtol=1e-5)


@pytest.mark.parametrize("bent", [False, True])
def test_forward_undoes_lookup(bent: bool) -> None:
    displacement = geometry.smooth_displacement(40, 40, 2.0, 10, tf.constant([1, 2])) if bent else None
    warp = Warp(tf.constant(affine(40, 40, 0.3, 1.1, 0.1, (0.5, 0.2))), tf.constant(-0.1), displacement)
    points = geometry.lookup(warp, 40, 40).numpy()[5:35:5, 5:35:5].reshape(-1, 2)
    rows, cols = np.mgrid[5:35:5, 5:35:5]
    found = geometry.forward(tf.constant(points), warp, 40, 40)
    assert np.abs(found - np.stack([rows, cols], -1).reshape(-1, 2)).max() < (0.5 if bent else 1e-3)


def test_displacements_are_bounded_smooth_and_seeded() -> None:
    field = geometry.smooth_displacement(64, 48, 4.0, 8, tf.constant([1, 2])).numpy()
    assert field.shape == (64, 48, 2)
    assert 2.0 < np.abs(field).max() <= 4.0
    assert np.abs(np.diff(field, axis=0)).max() < 2.0
    np.testing.assert_array_equal(field, geometry.smooth_displacement(64, 48, 4.0, 8, tf.constant([1, 2])))
    assert np.abs(field - geometry.smooth_displacement(64, 48, 4.0, 8, tf.constant([1, 3]))).max() > 1


def test_sampling_is_scipys() -> None:
    rng = np.random.default_rng(0)
    picture = rng.uniform(0, 255, [12, 9, 2]).astype(np.float32)
    points = rng.uniform(-15, 30, [200, 2]).astype(np.float32)
    found = geometry.sample_bilinear(tf.constant(picture), tf.constant(points)).numpy()
    for channel in range(2):
        expected = ndimage.map_coordinates(picture[..., channel], points.T, order=1, mode="reflect")
        np.testing.assert_allclose(found[:, channel], expected, atol=0.02)


def test_nearest_by_hand() -> None:
    labels = tf.constant([[1, 2], [3, 4]], tf.uint8)
    points = tf.constant([[0, 0], [0.4, 0.6], [1.4, 0.0], [1.6, 0.0], [-0.4, 1.0], [0.0, -0.6]], tf.float32)
    np.testing.assert_array_equal(geometry.sample_nearest(labels, points, 255), [1, 2, 3, 255, 2, 255])


def test_moves_and_compositions_by_hand() -> None:
    # The right half of the lower half of 8 x 8 pixels: its first pixel's edge, 3.5, becomes -0.5.
    lower_right = tf.constant([[0.5, 0, 3.75], [0, 0.5, 3.75]])
    moved = geometry.moved(tf.constant(2.0), tf.constant(-1.0))
    np.testing.assert_allclose(moved, [[1, 0, -2], [0, 1, 1]])
    np.testing.assert_allclose(geometry.composed(lower_right, moved), [[0.5, 0, 2.75], [0, 0.5, 4.25]])
    np.testing.assert_allclose(geometry.about_middle(5, 3, [[0.0, 1.0], [-1.0, 0.0]]), [[0, 1, 1], [-1, 0, 3]])
