"""Boxes by hand."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from kvision.ops import boxes

PADDING = [-1.0] * 4


def test_area_of_boxes_empty_ones_and_padding() -> None:
    np.testing.assert_array_equal(boxes.area(tf.constant([[1, 2, 4, 7], [3, 3, 2, 9], PADDING], tf.float32)), [15, 0, 0])


def test_clip() -> None:
    np.testing.assert_array_equal(boxes.clip(tf.constant([[-3.0, 2, 12, 30]]), 10, 20), [[0, 2, 10, 20]])


def test_boxes_with_too_little_left_become_padding_in_their_place() -> None:
    before = tf.constant([[0, 0, 4, 4], [0, 0, 4, 4], PADDING], tf.float32)
    moved = tf.constant([[-3.1, 0, 0.9, 4], [-3, 0, 1, 4], [0, 0, 5, 5]], tf.float32)
    out = boxes.keep_visible({"boxes": before, "labels": tf.constant([5, 6, -1])}, moved, 8, 8, 0.25)
    np.testing.assert_array_equal(out["boxes"], [PADDING, [0, 0, 1, 4], PADDING])
    np.testing.assert_array_equal(out["labels"], [-1, 6, -1])
    assert "order" not in out


def test_outline_touches_all_four_sides_and_around_undoes_it() -> None:
    given = tf.constant([[2, 4, 10, 8], [0, 0, 1, 1]], tf.float32)
    points = boxes.outline(given)
    assert points.shape == [2, 32, 2]
    np.testing.assert_allclose(boxes.around(points), given, atol=1e-5)
    ellipse = ((points[0, :, 0] - 5.5) / 4) ** 2 + ((points[0, :, 1] - 5.5) / 2) ** 2
    np.testing.assert_allclose(ellipse, np.ones(32), atol=1e-5)


def test_mirrored() -> None:
    given = tf.constant([[1, 2, 4, 8], PADDING], tf.float32)
    np.testing.assert_array_equal(boxes.mirrored(given, 10, 1), [[1, 2, 4, 8], PADDING])
    np.testing.assert_array_equal(boxes.mirrored(given, 12, 1), [[1, 4, 4, 10], PADDING])
    np.testing.assert_array_equal(boxes.mirrored(given, 12, 0), [[8, 2, 11, 8], PADDING])
