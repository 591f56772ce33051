from __future__ import annotations

import numpy as np
import tensorflow as tf

from kvision.data.environments.worlds import chance
from tests.unit.data.environments.worlds import play

SEEDS, STEPS = np.array([0, 1, 2**31 + 3, -5], np.int64), np.array([0, 0, 7, 100_000], np.int64)


def test_words_are_those_of_splitmix64() -> None:
    words = chance.words(tf.constant(SEEDS), tf.constant(STEPS), 3).numpy()
    expected = [[play.word(int(seed) & play.MASK, int(step), place) for place in range(3)] for seed, step in zip(SEEDS, STEPS, strict=True)]
    assert words.tolist() == expected


def test_the_mixer_is_the_published_one() -> None:
    # The first numbers of SplitMix64 seeded with 0, as Java's SplittableRandom and the authors' C print them.
    assert [play.mixed(play.GOLDEN * n & play.MASK) for n in (1, 2)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]


def test_numbers_are_spread_evenly_over_seeds_steps_and_places() -> None:
    seeds, steps = (np.ravel(each) for each in np.meshgrid(np.arange(40), np.arange(25)))
    numbers = chance.integers(tf.constant(seeds), tf.constant(steps), 10, 5).numpy()
    assert abs(np.bincount(numbers.ravel(), minlength=5) - 2000).max() < 160  # four standard deviations
    uniform = chance.uniform(tf.constant(seeds), tf.constant(steps), 10).numpy()
    assert 0 <= uniform.min() < uniform.max() < 1
    assert abs(uniform.mean() - 0.5) < 0.01
    neighbours = np.corrcoef(uniform.reshape(25, 40, 10)[:, :-1].ravel(), uniform.reshape(25, 40, 10)[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.04
