"""Orders of an epoch: every example in its turn, and classes to one place."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data.order import Balanced, Bucketed, Shuffled

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


LENGTHS = np.random.default_rng(3).integers(3, 30, 103).astype(np.int32)


def batches(order: Bucketed, number: int) -> np.ndarray:
    return epoch(order, number, 96).reshape(12, 8)


@pytest.mark.parametrize("buckets", [2, 5, 12, 64])
def test_bucketed_shows_each_example_at_most_once_in_batches_of_one_bucket(buckets: int) -> None:
    order = Bucketed(LENGTHS, buckets, 8)
    longest = order.longest.numpy()
    assert len(set(longest)) <= min(buckets, 12)
    for number in range(3):
        shown = batches(order, number)
        assert len(set(shown.ravel())) == 96
        for members in shown:
            assert len(set(longest[members])) == 1
            assert LENGTHS[members].max() <= longest[members[0]]


def test_buckets_leave_less_padding_the_more_there_are() -> None:
    def padding(order: Bucketed) -> float:
        widths = order.longest.numpy()[batches(order, 0)]
        return 1 - LENGTHS[batches(order, 0)].sum() / widths.sum()

    shares = [padding(Bucketed(LENGTHS, buckets, 8)) for buckets in (1, 2, 4, 12)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 0.4
    assert shares[-1] < 0.1


def test_bucketed_leaves_others_out_each_epoch_and_orders_batches_anew() -> None:
    order = Bucketed(LENGTHS, 4, 8)
    shown = [batches(order, number) for number in range(30)]
    assert set(np.concatenate(shown).ravel()) == set(range(103))
    widths = [order.longest.numpy()[each[:, 0]].tolist() for each in shown[:2]]
    assert widths[0] != widths[1]
    assert sorted(widths[0]) == sorted(widths[1])


def test_bucketed_gives_one_place_what_it_gives_many() -> None:
    order, seed = Bucketed(LENGTHS, 4, 8), tf.constant([7, 5], tf.int64)
    alone = [int(order(tf.constant(place, tf.int64), seed)) for place in range(96)]
    assert alone == epoch(order, 5, 96).tolist()
