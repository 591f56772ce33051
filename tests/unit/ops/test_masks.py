"""Sets of pixels: borders, growing and distances, by hand and against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from kvision.ops import masks


def test_one_hot_leaves_ignored_pixels_out() -> None:
    assert masks.one_hot(tf.constant([[[0, 2], [255, 1]]], tf.uint8), 3).numpy().tolist() == [[[[1, 0, 0], [0, 0, 1]], [[0, 0, 0], [0, 1, 0]]]]


def test_growing_fills_a_square() -> None:
    sets = np.zeros((1, 5, 5, 1), np.float32)
    sets[0, 1, 1] = 1
    grown = masks.grow(tf.constant(sets), 1).numpy()[0, :, :, 0]
    expected = np.zeros((5, 5))
    expected[:3, :3] = 1
    np.testing.assert_array_equal(grown, expected)


def test_a_border_touches_the_outside_but_not_the_edge_of_the_image() -> None:
    sets = np.zeros((1, 4, 4, 1), np.float32)
    sets[0, :, :3] = 1
    border = masks.border(tf.constant(sets), tf.ones((1, 4, 4, 1))).numpy()[0, :, :, 0]
    assert border.tolist() == [[0, 0, 1, 0]] * 4


def test_unknown_pixels_make_no_border() -> None:
    sets, valid = np.zeros((1, 1, 4, 1), np.float32), np.ones((1, 1, 4, 1), np.float32)
    sets[0, 0, :2] = 1
    valid[0, 0, 2] = 0
    assert not masks.border(tf.constant(sets), tf.constant(valid)).numpy().any()


@pytest.mark.parametrize("number", [0, 1, 5])
def test_distances_to_two_objects_equal_scipy(number: int) -> None:
    generator = np.random.default_rng(number)
    objects = np.zeros((2, 17, 13), np.uint8)
    for label in range(1, number + 1):
        for example in range(2):
            top, left = generator.integers(0, 12, 2)
            objects[example, top : top + 3, left : left + 2] = label
    distances = masks.two_nearest(tf.constant(objects), 20).numpy()
    for example in range(2):
        exact = [ndimage.distance_transform_edt(objects[example] != label) for label in np.unique(objects[example]) if label]
        exact = np.sort(np.stack([*exact, *[np.full((17, 13), masks.FAR_PX)] * 2], axis=-1), axis=-1)[..., :2]
        np.testing.assert_allclose(distances[example], exact, rtol=1e-5, atol=1e-4)


def test_objects_out_of_reach_are_not_seen() -> None:
    objects = tf.constant([[[1] + [0] * 8]], tf.uint8)
    distances = masks.two_nearest(objects, 4).numpy()[0, 0, :, 0]
    assert distances[:5].tolist() == [0, 1, 2, 3, 4]
    assert (distances[5:] >= masks.FAR_PX).all()


def test_the_tolerance_is_a_share_of_the_diagonal_rounded_up() -> None:
    assert [masks.tolerance_px(size, size) for size in (32, 128, 512)] == [1, 2, 6]
