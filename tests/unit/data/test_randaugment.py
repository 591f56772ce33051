"""RandAugment: each operation against Pillow's, drawn alike often, as a function of the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from kvision.core.schema import AugmentOptions
from kvision.data import randaugment
from kvision.data.augment import augment, warp

PICTURE = (255 * np.random.default_rng(0).beta(2.0, 5.0, [32, 32, 3])).astype(np.uint8)


def operated(name: str, strength: float, image: np.ndarray = PICTURE, **more: tf.Tensor) -> dict[str, tf.Tensor]:
    return randaugment.operate(name, {"image": tf.constant(image, tf.float32), **more}, tf.constant(strength), warp)


@pytest.mark.parametrize(
    ("name", "strength", "expected"),
    [
        ("identity", 0.9, lambda image: image),
        ("autocontrast", 0.9, ImageOps.autocontrast),
        ("equalize", -0.9, ImageOps.equalize),
        ("solarize", 0.5, lambda image: ImageOps.solarize(image, 128)),
        ("posterize", -1.0, lambda image: ImageOps.posterize(image, 4)),
        ("posterize", 0.5, lambda image: ImageOps.posterize(image, 6)),
        ("colour", -1.0, lambda image: ImageEnhance.Color(image).enhance(0.1)),
        ("contrast", 0.5, lambda image: ImageEnhance.Contrast(image).enhance(1.45)),
        ("brightness", -0.5, lambda image: ImageEnhance.Brightness(image).enhance(0.55)),
        ("sharpness", 1.0, lambda image: ImageEnhance.Sharpness(image).enhance(1.9)),
    ],
)
def test_tones_are_pillows(name: str, strength: float, expected) -> None:
    reference = np.asarray(expected(Image.fromarray(PICTURE)), np.float32)
    # Pillow's grey has three decimals of luma where ours has two, and it rounds along the way.
    np.testing.assert_allclose(operated(name, strength)["image"], reference, atol=2.0)


def test_a_move_shows_the_pixels_beside() -> None:
    across = operated("translate_x", 0.3125)["image"].numpy()  # 0.3 * 32 * 0.3125 = 3 pixels
    np.testing.assert_allclose(across[:, 3:], PICTURE[:, :-3], atol=0.01)
    down = operated("translate_y", -0.3125)["image"].numpy()
    np.testing.assert_allclose(down[:-3], PICTURE[3:], atol=0.01)


@pytest.mark.parametrize("name", ["rotate", "shear_x", "shear_y"])
def test_lines_turn_and_lean_as_far_as_asked(name: str) -> None:
    # Brightness rises by 1 a pixel, down in red and across in green, so that what is seen near the middle tells the map.
    rows, cols = (axis.astype(np.float32) for axis in np.mgrid[:63, :63])
    image = operated(name, 1.0, np.stack([rows, cols, cols], -1))["image"].numpy()[21:42, 21:42, :2]
    found = np.stack([np.diff(image, axis=0).mean((0, 1)), np.diff(image, axis=1).mean((0, 1))])  # row, then column of the result
    turn = np.radians(30)
    expected = {
        "rotate": [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]],
        "shear_x": [[1, 0.3], [0, 1]],
        "shear_y": [[1, 0], [0.3, 1]],
    }[name]
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_masks_and_boxes_go_with_the_picture() -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 8:16] = 1
    fields = {"mask": tf.constant(mask), "boxes": tf.constant([[8, 8, 20, 16]], tf.float32), "labels": tf.constant([1])}
    out = operated("translate_x", 0.3125, **fields)
    np.testing.assert_array_equal(out["mask"][:, 3:], mask[:, :-3])
    np.testing.assert_allclose(out["boxes"], [[8, 11, 20, 19]], atol=1e-3)
    np.testing.assert_array_equal(operated("solarize", 1.0, **fields)["mask"], mask)


@pytest.mark.parametrize("name", ["rotate", "colour", "contrast", "brightness", "sharpness", "shear_x", "translate_y", "solarize", "posterize"])
def test_no_strength_changes_nothing(name: str) -> None:
    np.testing.assert_allclose(operated(name, 0.0)["image"], PICTURE, atol=0.02)


def test_all_operations_are_drawn_alike_often_and_the_strength_matters() -> None:
    fields = {"image": tf.constant(PICTURE)}
    options = AugmentOptions(randaugment=1.0, randaugment_count=1, randaugment_magnitude=10.0)
    seeds = tf.data.Dataset.range(420)
    images = np.stack(list(seeds.map(lambda i: augment(fields, options, tf.stack([i, 5]))["image"]).as_numpy_iterator()))
    unchanged = np.abs(images - PICTURE).max((1, 2, 3)) < 1e-3
    assert 0.02 < unchanged.mean() < 0.14  # the identity: 1 in 14
    kinds = {image.tobytes() for image in images}
    assert len(kinds) == 1 + 2 + 2 + 2 * 9  # identity; autocontrast, equalize; solarize, posterize; nine with two directions
    one, again = (augment(fields, options, tf.constant([7, 5], tf.int64))["image"] for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert images.min() >= 0
    assert images.max() <= 255


def test_operations_follow_each_other() -> None:
    fields = {"image": tf.constant(PICTURE)}
    three = AugmentOptions(randaugment=1.0, randaugment_count=3)
    images = [augment(fields, three, tf.constant([seed, 5], tf.int64))["image"].numpy() for seed in range(3)]
    assert all(image.shape == PICTURE.shape and np.isfinite(image).all() for image in images)
    assert len({image.tobytes() for image in images}) == 3
