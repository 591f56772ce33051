"""Chance in a world: numbers as a function of an episode's seed, its step and a place, so that no lane depends on another one.

Shapes: `seed` int64 `[N]` and `step` int64 `[N]` of each lane's episode.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

GOLDEN = 0x9E3779B97F4A7C15
ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
LAST_SHIFT = 31
PLACES = 4096
"""Most numbers that are drawn in a step."""


def words(seed: tf.Tensor, step: tf.Tensor, count: int) -> tf.Tensor:
    """Words uint64 `[N, count]`, as good as random.

    References:
        SplitMix64 of Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators: the numbers from `step * PLACES` on of the sequence
        that begins at the mixed seed.
    """
    number = tf.cast(step, tf.uint64)[:, None] * _word(PLACES) + tf.constant(np.arange(1, count + 1), tf.uint64)
    return _mixed(_mixed(tf.bitcast(seed, tf.uint64))[:, None] + number * _word(GOLDEN))


def integers(seed: tf.Tensor, step: tf.Tensor, count: int, high: int) -> tf.Tensor:
    """Whole numbers int32 `[N, count]`, from 0 to below `high`."""
    half = tf.cast(tf.bitwise.right_shift(words(seed, step, count), _word(32)), tf.int64)
    return tf.cast(tf.bitwise.right_shift(half * high, tf.constant(32, tf.int64)), tf.int32)


def uniform(seed: tf.Tensor, step: tf.Tensor, count: int) -> tf.Tensor:
    """Numbers `[N, count]`, from 0 to below 1."""
    return tf.cast(tf.bitwise.right_shift(words(seed, step, count), _word(40)), tf.float32) * 2.0**-24


def _mixed(word: tf.Tensor) -> tf.Tensor:
    for places, factor in ROUNDS:
        word = tf.bitwise.bitwise_xor(word, tf.bitwise.right_shift(word, _word(places))) * _word(factor)
    return tf.bitwise.bitwise_xor(word, tf.bitwise.right_shift(word, _word(LAST_SHIFT)))


def _word(value: int) -> tf.Tensor:
    return tf.constant(value, tf.uint64)
