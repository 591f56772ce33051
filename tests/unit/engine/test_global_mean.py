"""Means over what counts in a global batch are those over all of it, whichever example has how much."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.engine import global_mean, strategy


def test_sums_leave_out_examples_of_weight_0() -> None:
    found = global_mean.sums(tf.constant([1.0, 0.0]), nll=tf.constant([[1.0, 2.0], [9.0, 9.0]]), count=tf.constant([2.0, 5.0]))
    assert {name: float(value) for name, value in found.items()} == {"nll": 3.0, "count": 2.0}


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_the_mean_over_examples_is_that_over_what_counts(devices: str) -> None:
    counts, losses = np.array([1.0, 4.0, 2.0, 0.0], np.float32), np.array([3.0, 8.0, 1.0, 0.0], np.float32)
    where = strategy.make(devices)
    parts = where.num_replicas_in_sync

    def step(part: tf.Tensor) -> tf.Tensor:
        mine, given = (tf.gather(tf.reshape(values, [parts, -1]), part) for values in (counts, losses))
        return tf.reduce_sum(given * global_mean.scale(tf.reduce_sum(mine), len(counts))) / len(counts)

    numbers = where.experimental_distribute_values_from_function(lambda context: tf.constant(context.replica_id_in_sync_group))
    found = where.run(tf.function(step), (numbers,))
    assert float(where.reduce(tf.distribute.ReduceOp.SUM, found, None)) == pytest.approx(12 / 7)
