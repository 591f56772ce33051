"""RandAugment: some operations drawn from fourteen, all at one strength.

Paper: Cubuk et al. 2020, arXiv 1909.13719, figure 2 (the operations) and section 3.
Deviations: all operations grow with the magnitude (10: 30 degrees, a shear of 0.3, a move by 0.3 of the side, enhancement by 0.1 or 1.9, four bits,
all values inverted), as in most code since, while in the paper's posterising and solarising weaken; pictures are mirrored beyond their edges, not
filled with grey.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.ops import colour, geometry, tone
from kvision.ops.geometry import Warp

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.core.schema import AugmentOptions

Fields = dict[str, tf.Tensor]
LARGEST_TURN = math.radians(30.0)
LARGEST_SHEAR = math.atan(0.3)
LARGEST_SHIFT = 0.3
LARGEST_ENHANCEMENT = 0.9
FEWEST_BITS = 4
OPERATIONS = (
    "identity",
    "autocontrast",
    "equalize",
    "rotate",
    "solarize",
    "colour",
    "posterize",
    "contrast",
    "brightness",
    "sharpness",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
)
"""In the paper's order: the number that is drawn is the place in here."""


def apply(fields: Fields, options: AugmentOptions, seed: tf.Tensor, warp: Callable[[Fields, Warp], Fields]) -> Fields:
    """The example after `randaugment_count` operations in a row, each drawn from all fourteen, forwards or backwards where it has two ways.

    Args:
        fields: `image` float32 `[H, W, 3]`, 0-255, and what else `warp` moves with it.
        options: How many operations, and how strong.
        seed: Integers `[2]`.
        warp: Moves a whole example.

    Returns:
        The fields with the same shapes.
    """
    draws = tf.random.stateless_uniform([options.randaugment_count, 2], seed)
    strength = options.randaugment_magnitude / 10.0
    for draw in tf.unstack(draws):
        number = tf.cast(draw[0] * len(OPERATIONS), tf.int32)
        sign = tf.where(draw[1] < 0.5, -1.0, 1.0)
        branches = [lambda name=name, old=fields, sign=sign: operate(name, old, sign * strength, warp) for name in OPERATIONS]
        fields = tf.switch_case(number, branches)
    return fields


def operate(name: str, fields: Fields, strength: tf.Tensor, warp: Callable[[Fields, Warp], Fields]) -> Fields:
    """One operation.

    Args:
        name: One of `OPERATIONS`.
        fields: As for `apply`.
        strength: Of which the sign says in which direction, -1..1, scalar; 0 changes nothing, but for those that have no strength.
        warp: As for `apply`.

    Returns:
        The fields with the same shapes.
    """
    if name in _MOVES:
        height, width, _ = fields["image"].shape
        return warp(fields, Warp(_MOVES[name](height, width, strength), tf.zeros([])))
    image = fields["image"]
    return {**fields, "image": tf.ensure_shape(_TONES[name](image, strength), image.shape)}


def _enhanced(image: tf.Tensor, name: str, factor: tf.Tensor) -> tf.Tensor:
    """Pillow's enhancements of colour and contrast by a factor."""
    one = tf.ones([])
    return colour.adjust(image, tf.zeros([]), factor if name == "contrast" else one, factor if name == "colour" else one, tf.zeros([]))


_TONES: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "identity": lambda image, _: image,
    "autocontrast": lambda image, _: tone.autocontrast(image),
    "equalize": lambda image, _: tone.equalize(image),
    "solarize": lambda image, strength: tone.solarize(image, 256.0 * (1.0 - tf.abs(strength))),
    "posterize": lambda image, strength: tone.posterize(tf.round(image), 8 - tf.cast((8 - FEWEST_BITS) * tf.abs(strength), tf.int32)),
    "colour": lambda image, strength: _enhanced(image, "colour", 1.0 + LARGEST_ENHANCEMENT * strength),
    "contrast": lambda image, strength: _enhanced(image, "contrast", 1.0 + LARGEST_ENHANCEMENT * strength),
    "brightness": lambda image, strength: tf.clip_by_value(image * (1.0 + LARGEST_ENHANCEMENT * strength), 0.0, 255.0),
    "sharpness": lambda image, strength: tone.sharpness(image, 1.0 + LARGEST_ENHANCEMENT * strength),
}
_MOVES: dict[str, Callable[[int, int, tf.Tensor], tf.Tensor]] = {
    "rotate": lambda height, width, strength: geometry.about_middle(height, width, _turn(LARGEST_TURN * strength)),
    "shear_x": lambda height, width, strength: geometry.about_middle(height, width, [[1.0, 0.0], [tf.tan(LARGEST_SHEAR * strength), 1.0]]),
    "shear_y": lambda height, width, strength: geometry.about_middle(height, width, [[1.0, tf.tan(LARGEST_SHEAR * strength)], [0.0, 1.0]]),
    "translate_x": lambda _, width, strength: geometry.moved(tf.zeros([]), tf.round(LARGEST_SHIFT * width * strength)),
    "translate_y": lambda height, _, strength: geometry.moved(tf.round(LARGEST_SHIFT * height * strength), tf.zeros([])),
}


def _turn(angle: tf.Tensor) -> list[list[tf.Tensor]]:
    return [[tf.cos(angle), tf.sin(angle)], [-tf.sin(angle), tf.cos(angle)]]
