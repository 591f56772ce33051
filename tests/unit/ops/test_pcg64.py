"""The generator in the graph says what NumPy's says."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.ops import pcg64

SEEDS = np.array([0, 1, 7, 12345, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40 + 17, 2**62 + 5])


@pytest.mark.parametrize("compiled", [False, True])
def test_numbers_are_numpy_s_to_the_bit(compiled: bool) -> None:
    found = tf.function(pcg64.uniform, jit_compile=compiled)(tf.constant(SEEDS), 5)
    np.testing.assert_array_equal(found, [np.random.Generator(np.random.PCG64(int(seed))).random(5) for seed in SEEDS])


def test_words_are_numpy_s_to_the_bit_and_many_seeds_have_words_of_their_own() -> None:
    seeds = np.arange(2000)
    found = pcg64.words(tf.constant(seeds), 2).numpy()
    np.testing.assert_array_equal(found[::100], [np.random.PCG64(int(seed)).random_raw(2) for seed in seeds[::100]])
    assert len(np.unique(found)) == found.size
