"""Preprocessing: into the square, normalised, and back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kvision.data.preprocess import Preprocess

LETTERBOX = Preprocess(32, "resize", (0.5, 0.25, 0.75), (0.5, 0.25, 0.125))
CROP = Preprocess(32, "crop", (0.5, 0.25, 0.75), (0.5, 0.25, 0.125))


def smooth(height: int, width: int) -> np.ndarray:
    rows, cols = np.mgrid[:height, :width]
    return np.stack([rows * 200 / height, cols * 200 / width, 100 + 0 * rows], -1).astype(np.uint8)


def test_json_round_trip() -> None:
    assert Preprocess.from_json(LETTERBOX.to_json()) == LETTERBOX


@pytest.mark.parametrize("preprocess", [LETTERBOX, CROP])
def test_the_square_itself_passes_untouched(preprocess: Preprocess) -> None:
    image, mask = tf.zeros([32, 32, 3], tf.uint8), tf.zeros([32, 32], tf.uint8)
    resized, resized_mask = preprocess.resize(image, mask)
    assert resized is image
    assert resized_mask is mask


def test_a_wide_picture_is_scaled_and_padded_above_and_below_with_the_mean_colour() -> None:
    image, mask = LETTERBOX.resize(tf.constant(smooth(32, 64)), tf.ones([32, 64], tf.uint8))
    assert mask is not None
    assert image.dtype == mask.dtype == tf.uint8
    assert image.shape == [32, 32, 3]
    np.testing.assert_array_equal(image[:8], np.broadcast_to([128, 64, 191], [8, 32, 3]))
    np.testing.assert_array_equal(mask[:8], np.full([8, 32], 255))
    np.testing.assert_array_equal(mask[8:24], np.ones([16, 32]))
    np.testing.assert_array_equal(mask[24:], np.full([8, 32], 255))


def test_down_scaling_is_the_antialiased_bilinear_of_pillow() -> None:
    noise = np.random.default_rng(0).integers(0, 256, [96, 96, 3], dtype=np.uint8)
    expected = np.asarray(Image.fromarray(noise).resize((32, 32), Image.Resampling.BILINEAR))
    image, _ = LETTERBOX.resize(tf.constant(noise))
    assert np.abs(image.numpy().astype(int) - expected).max() <= 1


@pytest.mark.parametrize("preprocess", [LETTERBOX, CROP])
@pytest.mark.parametrize("size", [(32, 64), (64, 32), (20, 30), (33, 32), (1, 50), (45, 37)])
def test_one_graph_serves_every_size_and_restore_gives_the_size_back(preprocess: Preprocess, size: tuple[int, int]) -> None:
    @tf.function(input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)])
    def there_and_back(image: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        square, _ = preprocess.resize(image)
        assert square.shape == [32, 32, 3]
        return square, preprocess.restore(tf.cast(square, tf.float32), tf.shape(image)[0], tf.shape(image)[1])

    image = smooth(*size)
    square, back = there_and_back(tf.constant(image))
    np.testing.assert_array_equal(square, preprocess.resize(tf.constant(image))[0])
    assert back.shape == [*size, 3]
    if preprocess.fit == "resize":
        assert np.abs(back.numpy() - image).mean() < 6
    else:
        held = back.numpy().any(-1)
        assert held.sum() == min(size[0], 32) * min(size[1], 32)
        np.testing.assert_array_equal(back.numpy()[held], image[held])


def test_probabilities_still_sum_to_one_when_restored() -> None:
    probabilities = tf.nn.softmax(tf.random.stateless_normal([32, 32, 4], [1, 2], stddev=3.0))
    for size in ((100, 40), (10, 17), (32, 32)):
        np.testing.assert_allclose(tf.reduce_sum(LETTERBOX.restore(probabilities, *size), -1), np.ones(size), atol=1e-5)


def test_crop_cuts_from_the_centre_or_at_random_and_pads_what_is_smaller() -> None:
    image = smooth(40, 20)
    square, mask = CROP.resize(tf.constant(image), tf.zeros([40, 20], tf.uint8))
    assert mask is not None
    np.testing.assert_array_equal(square[:, 6:26], image[4:36])
    np.testing.assert_array_equal(square[:, :6], np.broadcast_to([128, 64, 191], [32, 6, 3]))
    np.testing.assert_array_equal(mask[:, 26:], np.full([32, 6], 255))
    tops = set()
    for seed in range(60):
        placed = CROP.place({"image": tf.constant(image)}, tf.constant([0, seed]))["image"].numpy()
        tops.add(next(top for top in range(9) if (placed[:, 6:26] == image[top : top + 32]).all()))
    assert tops == set(range(9))


def test_boxes_and_instances_go_along() -> None:
    instances = np.zeros([32, 64], np.uint8)
    instances[8:16, 20:40] = 1
    example = {
        "image": tf.constant(smooth(32, 64)),
        "instances": tf.constant(instances),
        "boxes": tf.constant([[8, 20, 16, 40], [-1, -1, -1, -1]], tf.float32),
        "labels": tf.constant([3, -1]),
    }
    placed = LETTERBOX.place(example)
    np.testing.assert_allclose(placed["boxes"], [[12, 10, 16, 20], [-1, -1, -1, -1]])
    rows, cols = np.nonzero(placed["instances"])
    assert (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1) == (12, 10, 16, 20)
    shifted = CROP.place({**example, "boxes": tf.constant([[8, 20, 16, 40], [0, 0, 8, 20]], tf.float32), "labels": tf.constant([3, 4])})
    np.testing.assert_allclose(shifted["boxes"], [[8, 4, 16, 24], [-1, -1, -1, -1]])
    np.testing.assert_array_equal(shifted["labels"], [3, -1])


def test_normalise_by_hand() -> None:
    colours = tf.constant([[[[255, 0, 255], [0, 255, 191]]]], tf.uint8)
    expected = [[[[1.0, -1.0, 2.0], [-1.0, 3.0, (191 / 255 - 0.75) / 0.125]]]]
    np.testing.assert_allclose(LETTERBOX.normalise(colours), expected, atol=1e-5)
    np.testing.assert_allclose(LETTERBOX.normalise(tf.cast(colours, tf.float32)), expected, atol=1e-5)
