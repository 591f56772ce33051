"""Orders of an epoch: every example in its turn, and classes to one place."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.order import Balanced, Shuffled

LABELS = np.repeat([0, 2, 1], [70, 25, 5]).astype(np.int32)


def epoch(order: Shuffled | Balanced, number: int, count: int = 100) -> np.ndarray:
    return order(tf.range(count, dtype=tf.int64), tf.constant([7, number], tf.int64)).numpy()


def test_shuffled_shows_each_once_and_otherwise_in_each_epoch() -> None:
    first, second = (epoch(Shuffled(100), number) for number in (0, 1))
    assert sorted(first) == sorted(second) == list(range(100))
    assert (first != second).mean() > 0.9


def test_balanced_shows_every_class_equally_often() -> None:
    shown = epoch(Balanced(LABELS), 0)
    assert sorted(np.bincount(LABELS[shown])) == [33, 33, 34]


def test_balanced_shows_all_of_a_rare_class_before_one_again() -> None:
    shown = epoch(Balanced(LABELS), 3)
    times = np.bincount(shown, minlength=100)
    assert set(times[LABELS == 1]) <= {6, 7}
    assert set(times[LABELS == 2]) <= {1, 2}
    assert set(times[LABELS == 0]) == {0, 1}


def test_balanced_shows_others_of_a_frequent_class_in_each_epoch() -> None:
    seen = {number for each in range(12) for number in epoch(Balanced(LABELS), each)}
    assert len(seen) == 100


def test_balanced_gives_one_place_what_it_gives_many() -> None:
    order, seed = Balanced(LABELS), tf.constant([7, 5], tf.int64)
    alone = [int(order(tf.constant(place, tf.int64), seed)) for place in range(20)]
    assert alone == epoch(order, 5)[:20].tolist()


def test_balanced_refuses_several_labels() -> None:
    with pytest.raises(DataError, match=r"leave data.balance out"):
        Balanced(np.zeros((4, 3), np.uint8))
