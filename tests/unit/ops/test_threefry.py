"""Known answers of Random123, whole numbers that stay what they are for ever."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.ops import threefry as graph
from kvision_edge.postprocess import threefry as device

KNOWN = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]
"""Key, counter, answer: `threefry2x32 20` of the file kat_vectors."""


def words(values: object) -> tuple[tf.Tensor, tf.Tensor]:
    first, second = np.asarray(values, np.uint32)
    return tf.constant(first), tf.constant(second)


@pytest.mark.parametrize(("key", "counter", "answer"), KNOWN)
def test_known_answers(key: tuple[int, int], counter: tuple[int, int], answer: tuple[int, int]) -> None:
    assert device.threefry(key, counter) == answer
    assert tuple(int(each) for each in graph.threefry(words(key), words(counter))) == answer


def test_words_broadcast_in_a_compiled_graph_and_are_those_of_a_device() -> None:
    keys = np.random.default_rng(0).integers(0, 2**32, (5, 1), np.uint32)
    places = np.arange(2**32 - 3, 2**32, dtype=np.uint32)
    function = tf.function(lambda: graph.threefry((tf.constant(7, tf.uint32), tf.constant(keys)), (tf.constant(places), tf.constant(9, tf.uint32))))
    for found in (function(), tf.function(function, jit_compile=True)()):
        expected = [[device.threefry((7, int(key)), (int(place), 9)) for place in places] for key in keys[:, 0]]
        np.testing.assert_array_equal(np.stack(found, -1), expected)


def test_words_are_spread_evenly() -> None:
    count = 1 << 16
    first, second = graph.threefry(words((1, 2)), (tf.constant(np.arange(count, dtype=np.uint32)), tf.constant(0, tf.uint32)))
    for each in (first.numpy(), second.numpy()):
        assert len(np.unique(each)) > 0.9999 * count
        bits = np.unpackbits(each.view(np.uint8))
        assert bits.mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(bits.size))
        counts = np.bincount(each >> 28, minlength=16)
        assert ((counts - count / 16) ** 2 / (count / 16)).sum() < 37.7  # 0.1 % of chi square with 15 degrees of freedom
