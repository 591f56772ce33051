"""NumPy's default generator in the graph: the numbers of `np.random.Generator(np.random.PCG64(seed))`, to the bit.

Whoever seeds an environment of Gymnasium draws the start of its episodes from it, and so can a world in TensorFlow that stands for one.
Shapes: `seed` int64 `[N]`, at least 0; K numbers of each.

References:
    O'Neill 2014, PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number Generation, HMC-CS-2014-0905 (XSL-RR);
    O'Neill 2015, Developing a seed_seq Alternative (how NumPy's `SeedSequence` mixes a seed).
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import tensorflow as tf

POOL, SHIFT = 4, 16
INIT_A, MULT_A, INIT_B, MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED
MIX_LEFT, MIX_RIGHT = 0xCA01F9DD, 0x4973F715
STEP = 2549297995355413924 << 64 | 4865540595714422341
"""Multiplier of the generator's 128-bit state."""
_32, _64, _128 = (1 << 32) - 1, (1 << 64) - 1, (1 << 128) - 1

Wide = tuple[tf.Tensor, tf.Tensor]
"""Upper and lower 64 bits of 128, uint64 each."""


def uniform(seed: tf.Tensor, count: int) -> tf.Tensor:
    """The first K numbers float64 `[N, K]` of each seed's generator, from 0 to below 1."""
    return tf.cast(_right(words(seed, count), 11), tf.float64) * 2.0**-53


def words(seed: tf.Tensor, count: int) -> tf.Tensor:
    """The first K words uint64 `[N, K]` of each seed's generator.

    The state goes from s to `STEP * s + inc` with each word, so the k-th one is a sum of the first state and of `inc`, each times a constant.
    """
    state = _generate(_mixed(seed))
    first, inc = (state[:, :1], state[:, 1:2]), (state[:, 2:3], state[:, 3:])
    inc = (_left(inc[0], 1) | _right(inc[1], 63), _left(inc[1], 1) | _constant([1]))
    powers = [pow(STEP, k, _128 + 1) for k in range(count + 2)]
    sums = [total & _128 for total in accumulate(powers)]
    high, low = _plus(_times(_plus(first, inc), powers[2:]), _times(inc, sums[1:-1]))
    mixed, turn = high ^ low, _right(high, 58)
    return tf.bitwise.right_shift(mixed, turn) | tf.bitwise.left_shift(mixed, (_constant([64]) - turn) & _constant([63]))


def _mixed(seed: tf.Tensor) -> tf.Tensor:
    """The pool uint32 `[N, 4]` of a seed."""
    constants = [INIT_A]
    for _ in range(POOL * POOL):
        constants.append(constants[-1] * MULT_A & _32)
    halves = tf.bitcast(tf.cast(seed, tf.int64), tf.uint32)
    pool = _hashed(tf.concat([halves, tf.zeros_like(halves)], -1), constants[: POOL + 1])
    for source in range(POOL):
        first = POOL + source * (POOL - 1)
        others = [place for place in range(POOL) if place != source]
        told = _hashed(pool[:, source : source + 1], constants[first : first + POOL])
        mixed = MIX_LEFT * tf.gather(pool, others, axis=1) + (_32 + 1 - MIX_RIGHT) * told
        mixed ^= _right(mixed, SHIFT)
        pool = tf.concat([mixed[:, :source], pool[:, source : source + 1], mixed[:, source:]], -1)
    return pool


def _generate(pool: tf.Tensor) -> tf.Tensor:
    """Four words uint64 `[N, 4]` of a pool, which the generator begins with."""
    constants = [INIT_B]
    for _ in range(2 * POOL):
        constants.append(constants[-1] * MULT_B & _32)
    halves = tf.cast(_hashed(tf.tile(pool, [1, 2]), constants), tf.uint64)
    return halves[:, ::2] | _left(halves[:, 1::2], 32)


def _hashed(value: tf.Tensor, constants: list[int]) -> tf.Tensor:
    """Each of K values uint32 `[N, K]` hashed with the constant of its place and the next one; of one value `[N, 1]`, K hashes."""
    value = (value ^ tf.constant(constants[:-1], tf.uint32)) * tf.constant(constants[1:], tf.uint32)
    return value ^ _right(value, SHIFT)


def _times(value: Wide, factors: list[int]) -> Wide:
    """128-bit products `[N, K]` of a value `[N, 1]`, modulo 2**128."""
    high, low = value
    upper, lower = _constant([factor >> 64 for factor in factors]), _constant([factor & _64 for factor in factors])
    (l1, l0), (f1, f0) = ((_right(each, 32), each & _constant([_32])) for each in (low, lower))
    middle = _right(l0 * f0, 32) + (l0 * f1 & _constant([_32])) + (l1 * f0 & _constant([_32]))
    carried = l1 * f1 + _right(l0 * f1, 32) + _right(l1 * f0, 32) + _right(middle, 32)
    return carried + high * lower + low * upper, low * lower


def _plus(one: Wide, other: Wide) -> Wide:
    """128-bit sum, modulo 2**128."""
    low = one[1] + other[1]
    return one[0] + other[0] + tf.cast(low < one[1], tf.uint64), low


def _right(value: tf.Tensor, places: int) -> tf.Tensor:
    return tf.bitwise.right_shift(value, tf.constant(places, value.dtype))


def _left(value: tf.Tensor, places: int) -> tf.Tensor:
    return tf.bitwise.left_shift(value, tf.constant(places, value.dtype))


def _constant(values: list[int]) -> tf.Tensor:
    """Words uint64 `[K]`."""
    return tf.constant(np.array(values, np.uint64))
