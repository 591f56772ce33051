"""In which order an epoch shows the training examples: a pure function of seed and epoch, in constant memory, at any place directly.

An order maps a place of an epoch to an example, both int64, scalars or `[b]`; `seed` is int64 `[2]`, of the run and of the epoch.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import tensorflow as tf

from kvision.core.errors import DataError
from kvision.data import host


class Order(Protocol):
    """Which example stands at a place of an epoch."""

    def __call__(self, place: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The number of the example."""
        ...


class Shuffled:
    """Every one of `count` examples once."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __call__(self, place: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The example at this place."""
        return tf.random.experimental.index_shuffle(place, seed, tf.constant(self._count - 1, tf.int64))


class Lanes:
    """Each place of a batch goes through a part of its own, in order: from step to step it reads on where it stopped.

    Args:
        steps: Batches an epoch.
        batch: Examples a batch; of `steps * batch` examples each comes once.
    """

    def __init__(self, steps: int, batch: int) -> None:
        self._steps, self._batch = steps, batch

    def __call__(self, place: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The example at this place; the same in each epoch."""
        del seed
        return place % self._batch * self._steps + place // self._batch


class Balanced:
    """Every class equally often, to one place: of N places, each of the K classes that occur has N / K.

    A class with fewer examples shows all of them before it shows one again; one with more shows others in each epoch.

    Args:
        labels: The class of each example, int `[N]`.

    Raises:
        DataError: If the examples have several labels each.
    """

    def __init__(self, labels: np.ndarray) -> None:
        if labels.ndim != 1:
            raise DataError("data.balance: a picture with several labels can't stand for one class; leave data.balance out")
        counts = np.bincount(labels)
        counts = counts[counts > 0]
        self._shuffled = Shuffled(len(labels))
        self._num_classes = len(counts)
        self._members = host.tensor(np.argsort(labels, kind="stable").astype(np.int64))
        self._counts = host.tensor(counts.astype(np.int64))
        self._starts = host.tensor(np.cumsum(counts) - counts)

    def __call__(self, place: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The example at this place."""
        number = self._shuffled(place, seed)
        group, turn = number % self._num_classes, number // self._num_classes
        count = tf.gather(self._counts, group)
        # Each round through a class has an order of its own, and so has each epoch. The public function takes no vector of seeds.
        lap = turn // count
        seeds = tf.stack([group + seed[0], tf.zeros_like(group) + seed[1], lap], axis=-1)
        within = tf.raw_ops.RandomIndexShuffle(index=turn % count, seed=seeds, max_index=count - 1, rounds=4)
        return tf.gather(self._members, tf.gather(self._starts, group) + within)


class Bucketed:
    """Every example at most once, in batches of examples of similar length; the batches come in any order.

    The examples are sorted by length and parted into buckets of whole batches, to a few examples more, which are others in each epoch.

    Args:
        lengths: The length of each example, int `[N]`.
        buckets: How many buckets, or as many as there are batches if those are fewer.
        batch: Examples a batch, N at most.

    Attributes:
        longest: The greatest length in the bucket of each example, int32 `[N]`.
    """

    def __init__(self, lengths: np.ndarray, buckets: int, batch: int) -> None:
        steps = len(lengths) // batch
        parts = np.arange(min(buckets, steps) + 1) / min(buckets, steps)
        last = np.floor(parts * steps).astype(np.int64)
        ends = last * batch + np.floor(parts * (len(lengths) % batch)).astype(np.int64)
        members = np.argsort(lengths, kind="stable")
        longest = np.empty(len(lengths), np.int32)
        longest[members] = np.repeat(lengths[members[ends[1:] - 1]], np.diff(ends))
        self._shuffled = Shuffled(steps)
        self._batch = batch
        self._members, self.longest = host.tensor(members.astype(np.int64)), host.tensor(longest)
        self._first, self._last = host.tensor(last[:-1]), host.tensor(last[1:])
        self._starts, self._counts = host.tensor(ends[:-1]), host.tensor(np.diff(ends))

    def __call__(self, place: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """The example at this place."""
        turn = self._shuffled(place // self._batch, seed)
        bucket = tf.reduce_sum(tf.cast(turn[..., None] >= self._last, tf.int64), -1)
        number = (turn - tf.gather(self._first, bucket)) * self._batch + place % self._batch
        seeds = tf.stack([bucket + seed[0], tf.zeros_like(bucket) + seed[1], tf.ones_like(bucket)], axis=-1)
        within = tf.raw_ops.RandomIndexShuffle(index=number, seed=seeds, max_index=tf.gather(self._counts, bucket) - 1, rounds=4)
        return tf.gather(self._members, tf.gather(self._starts, bucket) + within)
