"""Colour against Python's colorsys and Pillow."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import tensorflow as tf
from PIL import Image, ImageEnhance

from kvision.ops import colour

RGB = np.random.default_rng(0).uniform(60, 190, [6, 5, 3]).astype(np.float32)


def adjust(brightness: float = 0.0, contrast: float = 1.0, saturation: float = 1.0, hue: float = 0.0, image: np.ndarray = RGB) -> np.ndarray:
    return colour.adjust(tf.constant(image, tf.float32), *(tf.constant(value) for value in (brightness, contrast, saturation, hue))).numpy()


def test_neutral_values_change_nothing() -> None:
    np.testing.assert_allclose(adjust(), RGB, atol=1e-2)


def test_hue_turns_in_the_yiq_of_colorsys() -> None:
    turned = adjust(hue=0.03)
    angle = 0.03 * 2 * math.pi
    for before, after in zip(RGB.reshape(-1, 3) / 255, turned.reshape(-1, 3) / 255, strict=True):
        y, i, q = colorsys.rgb_to_yiq(*before)
        expected = (y, i * math.cos(angle) - q * math.sin(angle), i * math.sin(angle) + q * math.cos(angle))
        np.testing.assert_allclose(colorsys.rgb_to_yiq(*after), expected, atol=2e-3)


def test_greys_keep_their_colour_and_a_whole_turn_is_none() -> None:
    grey = np.full([2, 2, 3], 100.0)
    np.testing.assert_allclose(adjust(hue=0.4, saturation=1.7, image=grey), grey, atol=0.02)
    np.testing.assert_allclose(adjust(hue=1.0), RGB, atol=0.02)


def test_saturation_is_pillows_colour_enhancement() -> None:
    image = Image.fromarray(RGB.astype(np.uint8))
    for factor in (0.0, 0.6, 1.3):
        expected = np.asarray(ImageEnhance.Color(image).enhance(factor), np.float32)
        np.testing.assert_allclose(adjust(saturation=factor, image=np.asarray(image)), expected, atol=2.5)


def test_contrast_is_pillows() -> None:
    image = Image.fromarray(RGB.astype(np.uint8))
    for factor in (0.5, 1.4):
        expected = np.asarray(ImageEnhance.Contrast(image).enhance(factor), np.float32)
        np.testing.assert_allclose(adjust(contrast=factor, image=np.asarray(image)), expected, atol=2)


def test_brightness_adds_and_clips() -> None:
    np.testing.assert_allclose(adjust(brightness=0.1), RGB + 25.5, atol=1e-2)
    np.testing.assert_array_equal(adjust(brightness=1.0), np.full_like(RGB, 255))
    np.testing.assert_array_equal(adjust(brightness=-1.0), np.zeros_like(RGB))
