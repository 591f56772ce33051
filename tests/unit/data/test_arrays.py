from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data import arrays
from kvision.data.arrays import ArraySplit

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 5, 4)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (6, 5, 4, 3)).astype(np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.int32)
SEVERAL = np.eye(3, dtype=np.uint8)[LABELS] | np.array([1, 0, 0], np.uint8)


@pytest.mark.parametrize("images", [GREY, COLOUR])
def test_reads_one_or_several_in_the_graph(images):
    split = ArraySplit(images, LABELS, "train")
    read = tf.function(lambda index: split.read(index, frozenset({"image", "label"})))
    rgb = images if images.ndim == 4 else np.repeat(images[..., None], 3, -1)
    one = read(tf.constant(4, tf.int64))
    np.testing.assert_array_equal(one["image"], rgb[4])
    assert (one["label"].dtype, int(one["label"]), one["image"].shape) == (tf.int32, 1, (5, 4, 3))
    batch = read(tf.constant([5, 0], tf.int64))
    np.testing.assert_array_equal(batch["image"], rgb[[5, 0]])
    np.testing.assert_array_equal(batch["label"], [2, 0])
    assert set(split.read(tf.constant(0, tf.int64), frozenset({"label"}))) == {"label"}


def test_several_classes_are_targets():
    split = ArraySplit(GREY, SEVERAL, "train")
    example = split.read(tf.constant([1, 2], tf.int64), frozenset({"image", "targets", "label"}))
    assert set(example) == {"image", "targets"}
    assert example["targets"].dtype == tf.float32
    np.testing.assert_array_equal(example["targets"], [[1, 1, 0], [1, 0, 1]])


def test_a_part_keeps_the_numbers_of_the_file():
    part = ArraySplit(GREY, LABELS, "train").take(np.array([1, 2, 3, 5]))
    again = part.take(np.array([0, 3]))
    assert (part.names, again.names) == (["train/1", "train/2", "train/3", "train/5"], ["train/1", "train/5"])
    assert part.listing() == "train: 1-3, 5"
    np.testing.assert_array_equal(again.read(tf.constant(1, tf.int64), frozenset({"image"}))["image"][..., 0], GREY[5])
    np.testing.assert_array_equal(again.labels, [1, 2])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GREY, GREY),
        (GREY[..., None], GREY),
        (np.concatenate([COLOUR, COLOUR[..., :1]], -1), COLOUR),
        (GREY.astype(np.int64), GREY),
        (GREY.astype(np.uint16) * 257, GREY),
        (GREY.astype(np.float32) / 255, GREY),
        (GREY > 99, np.where(GREY > 99, 255, 0)),
    ],
)
def test_pictures_of_many_types(given, expected):
    made = arrays.pictures(given, "a.npz")
    assert made.dtype == np.uint8
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((3, 4)), r"a.npz: images have the shape \[3, 4\]; accepted: \[N, H, W\]"),
        (np.zeros((3, 4, 4, 2)), r"\[3, 4, 4, 2\]"),
        (np.zeros((0, 4, 4)), r"\[0, 4, 4\]"),
        (np.zeros((3, 4, 4)) + 255.0, "type float64 hold values of 255 to 255; accepted: 0..1"),
        (np.full((3, 4, 4), -1), "values of -1 to -1; accepted: 0..255"),
        (np.full((3, 4, 4), np.nan), "values of nan"),
        (np.zeros((3, 4, 4), "U1"), "images are of type <U1"),
    ],
)
def test_what_is_no_picture(given, words):
    with pytest.raises(DataError, match=words):
        arrays.pictures(given, "a.npz")


def test_labels():
    assert arrays.labels(LABELS[:, None].astype(np.float64), 6, "a").tolist() == LABELS.tolist()
    assert arrays.labels(SEVERAL.astype(bool), 6, "a").dtype == np.uint8
    for labels, words in (
        (LABELS[:5], r"a: labels have the shape \[5\], images are 6; accepted: \[6\] or \[6, K\]"),
        (LABELS + 0.5, "labels are of type float64; accepted: whole numbers"),
        (np.array(["cat"] * 6), "labels are of type <U3"),
        (LABELS - 1, "labels hold values of -1 to 1; accepted: 0..K-1"),
        (SEVERAL * 2, "labels hold values of 0 to 2; accepted: 0 and 1"),
    ):
        with pytest.raises(DataError, match=words):
            arrays.labels(labels, 6, "a")
