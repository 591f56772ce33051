"""Changes of tone against Pillow's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from kvision.ops import tone

if TYPE_CHECKING:
    from collections.abc import Callable

PICTURE = (255 * np.random.default_rng(0).beta(2.0, 5.0, [23, 17, 3])).astype(np.uint8)
FLAT = np.full([5, 6, 3], 77, np.uint8)


def check(ours: Callable[[tf.Tensor], tf.Tensor], pillows: Callable[[Image.Image], Image.Image], apart: float = 0.0) -> None:
    for picture in (PICTURE, FLAT, PICTURE[:2, :3]):
        expected = np.asarray(pillows(Image.fromarray(picture)), np.float32)
        np.testing.assert_allclose(ours(tf.constant(picture, tf.float32)), expected, atol=apart)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_posterize(bits: int) -> None:
    check(lambda image: tone.posterize(image, tf.constant(bits)), lambda image: ImageOps.posterize(image, bits))


@pytest.mark.parametrize("threshold", [0, 110, 256])
def test_solarize(threshold: int) -> None:
    check(lambda image: tone.solarize(image, tf.constant(float(threshold))), lambda image: ImageOps.solarize(image, threshold))


def test_autocontrast() -> None:
    check(tone.autocontrast, ImageOps.autocontrast, apart=1.0)  # Pillow truncates products of doubles, we of float32
    stretched = tone.autocontrast(tf.constant(PICTURE, tf.float32)).numpy()
    assert (stretched.min(), stretched.max()) == (0.0, 255.0)


def test_equalize() -> None:
    check(tone.equalize, ImageOps.equalize)
    large = np.tile(PICTURE, (4, 4, 1))  # enough pixels for a step above 1
    np.testing.assert_array_equal(tone.equalize(tf.constant(large, tf.float32)), np.asarray(ImageOps.equalize(Image.fromarray(large))))


@pytest.mark.parametrize("factor", [0.1, 1.0, 1.9])
def test_sharpness(factor: float) -> None:
    check(lambda image: tone.sharpness(image, tf.constant(factor)), lambda image: ImageEnhance.Sharpness(image).enhance(factor), apart=1.0)
    if factor == 1.0:
        np.testing.assert_allclose(tone.sharpness(tf.constant(PICTURE, tf.float32), tf.constant(1.0)), PICTURE, atol=1e-4)
