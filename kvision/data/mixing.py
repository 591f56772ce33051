"""Mixing two training examples into one: mixup and CutMix.

Papers: Zhang et al. 2018, arXiv 1710.09412 (mixup); Yun et al. 2019, arXiv 1905.04899 (CutMix).
Deviations: the partner is another example of the same epoch, not of the same batch, so that what a step sees depends neither on the number of
replicas nor on micro-batches; every example is mixed by its own random number, not the whole batch by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kvision.core.schema import AugmentOptions

FIELDS = frozenset({"image", "label", "targets"})
"""The fields of examples that can be mixed."""
Fields = dict[str, tf.Tensor]


def is_off(options: AugmentOptions) -> bool:
    """Whether no example is ever mixed."""
    return not (options.mixup or options.cutmix)


def mix(example: Mapping[str, tf.Tensor], partner: Callable[[], Mapping[str, tf.Tensor]], options: AugmentOptions, seed: tf.Tensor) -> Fields:
    """The example with a part of its partner, at random: a pure function of its arguments.

    Args:
        example: `image` `[H, W, 3]`, and `label` int32 or `targets` float32 `[K]`.
        partner: Gives another one, of the same shapes; it is asked, and read from wherever it lies, only where something is mixed.
        options: How often mixup and CutMix are applied, and how strong; at most one of them is.
        seed: Integers `[2]`.

    Returns:
        `image` float32; `targets` blended, or `label` with the partner's as `other_label` int32; `mix` float32, the example's own share: 1 where
        nothing was mixed, and the example is its own partner.
    """
    draws = tf.random.stateless_uniform([3], seed)
    image = tf.cast(example["image"], tf.float32)
    kind = "targets" if "targets" in example else "label"

    def together() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        given = partner()
        other = tf.cast(given["image"], tf.float32)

        def blended() -> tuple[tf.Tensor, tf.Tensor]:
            share = _beta(options.mixup_alpha, seed)
            return share * image + (1.0 - share) * other, share

        def pasted() -> tuple[tf.Tensor, tf.Tensor]:
            inside = _box(image.shape[0], image.shape[1], _beta(options.cutmix_alpha, seed), draws[1:])
            return tf.where(inside[..., None], other, image), 1.0 - tf.reduce_mean(tf.cast(inside, tf.float32))

        return *tf.cond(draws[0] < options.mixup, blended, pasted), given[kind]

    def alone() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return image, tf.ones([]), example[kind]

    mixed, share, other = tf.cond(draws[0] < options.mixup + options.cutmix, together, alone)
    out = {**example, "image": tf.ensure_shape(mixed, image.shape), "mix": tf.ensure_shape(share, [])}
    if kind == "targets":
        return {**out, "targets": share * example["targets"] + (1.0 - share) * other}
    return {**out, "other_label": tf.ensure_shape(other, [])}


def _beta(alpha: float, seed: tf.Tensor) -> tf.Tensor:
    """A draw of Beta(alpha, alpha), from two gamma variates."""
    first, second = tf.unstack(tf.random.stateless_gamma([2], tf.random.experimental.stateless_fold_in(seed, 1), alpha))
    return tf.math.divide_no_nan(first, first + second)


def _box(height: int, width: int, share: tf.Tensor, centre: tf.Tensor) -> tf.Tensor:
    """Where the partner is seen, bool `[H, W]`: a box of 1 - share of the area around `centre` (0-1), cut at the borders (CutMix, eq. 2)."""
    side = tf.sqrt(1.0 - share)
    rows, columns = (tf.range(size, dtype=tf.float32) + 0.5 for size in (height, width))
    near_rows = tf.abs(rows - centre[0] * height) < side * height / 2
    near_columns = tf.abs(columns - centre[1] * width) < side * width / 2
    return near_rows[:, None] & near_columns[None, :]
