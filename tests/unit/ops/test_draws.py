"""Parts of a batch are given what they would be given within it."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.ops import draws


def drawn(shape: tuple[int, ...], place: tuple[int, int] | None = None) -> np.ndarray:
    generator = draws.of_the_batch(keras.random.SeedGenerator(5))
    if place is None:
        return draws.uniform(shape, generator).numpy()
    with draws.at(*place):
        return draws.uniform(shape, generator).numpy()


def test_a_batch_that_is_not_shared_is_given_what_keras_gives() -> None:
    expected = keras.random.uniform((6, 5), seed=keras.random.SeedGenerator(5)).numpy()
    np.testing.assert_array_equal(drawn((6, 5)), expected)
    np.testing.assert_array_equal(drawn((6, 5), (0, 6)), expected)


@pytest.mark.parametrize("width", [1, 3, 4, 10])  # numbers are counted by fours
def test_the_parts_are_those_of_the_whole(width: int) -> None:
    whole = drawn((12, width, 2))
    np.testing.assert_array_equal(np.concatenate([drawn((3, width, 2), (first, 3)) for first in (0, 3, 6, 9)]), whole)
    np.testing.assert_array_equal(drawn((5, width, 2), (6, 5)), whole[6:11])


def test_several_rows_of_an_example_go_with_it() -> None:
    np.testing.assert_array_equal(drawn((6, 4), (2, 3)), drawn((10, 4))[4:10])  # two rows each, of the examples 2 to 4


def test_whole_numbers_go_with_their_examples_too() -> None:
    def integers(count: int, place: tuple[int, int]) -> np.ndarray:
        with draws.at(*place):
            return draws.integers([count], draws.of_the_batch(keras.random.SeedGenerator(5))).numpy()

    whole = integers(1000, (0, 1000))
    assert whole.dtype == np.int32
    assert len(np.unique(whole)) == 1000
    assert whole.min() < -(2**30) < 2**30 < whole.max()
    np.testing.assert_array_equal(integers(3, (501, 3)), whole[501:504])


def test_shorter_sentences_are_given_the_beginning_of_what_longer_ones_are() -> None:
    def along(rows: int, steps: int, place: tuple[int, int]) -> np.ndarray:
        with draws.at(*place):
            return draws.along([rows, steps, 3], 7, draws.of_the_batch(keras.random.SeedGenerator(5))).numpy()

    whole = along(8, 7, (0, 4))  # two sentences an example
    np.testing.assert_array_equal(along(4, 5, (1, 2)), whole[2:6, :5])


def test_marks() -> None:
    generator = keras.random.SeedGenerator(5)
    assert not draws.is_of_the_batch(generator)
    assert draws.of_the_batch(generator) is generator
    assert draws.is_of_the_batch(generator)
