"""Random numbers as a function of a key and a counter, the same on every machine; `kvision_edge.postprocess.threefry` has the same."""

from __future__ import annotations

import tensorflow as tf

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA
ROUNDS_OF_FOUR = 5


def threefry(key: tuple[tf.Tensor, tf.Tensor], counter: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Threefry-2x32 with 20 rounds.

    Args:
        key: Two words uint32, of shapes that broadcast.
        counter: Likewise.

    Returns:
        Two words uint32 of the broadcast shape, as good as random.

    References:
        Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3, section 4.2; constants of its library Random123.
    """
    words = (*key, tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(*key), tf.constant(PARITY, tf.uint32)))
    x, y = counter[0] + words[0], counter[1] + words[1]
    for number in range(ROUNDS_OF_FOUR):
        for places in ROTATIONS[number % 2]:
            x += y
            y = tf.bitwise.bitwise_xor(_rotated(y, places), x)
        x += words[(number + 1) % 3]
        y += words[(number + 2) % 3] + tf.constant(number + 1, tf.uint32)
    return x, y


def _rotated(word: tf.Tensor, places: int) -> tf.Tensor:
    left, right = (tf.constant(each, tf.uint32) for each in (places, 32 - places))
    return tf.bitwise.bitwise_or(tf.bitwise.left_shift(word, left), tf.bitwise.right_shift(word, right))
