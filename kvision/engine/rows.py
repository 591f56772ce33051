"""Rows that belong to the replicas: each uses its own part of a whole that all of them hold.

So a checkpoint is the same whatever trained it, and each replica learns the others' rows from one reduction.
"""

from __future__ import annotations

import tensorflow as tf


def variable(value: tf.Tensor, name: str) -> tf.Variable:
    """Equal on all replicas, each of which writes its own copy."""
    return tf.Variable(value, trainable=False, name=name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)


def place() -> tuple[int, int]:
    """Number of this replica, and of how many."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, 1
    return int(tf.get_static_value(context.replica_id_in_sync_group)), context.num_replicas_in_sync


def mine(whole: tf.Tensor | tf.Variable) -> tf.Tensor:
    """This replica's rows `[b, ...]` of `[B, ...]`."""
    number, replicas = place()
    count = whole.shape[0] // replicas
    return tf.convert_to_tensor(whole)[number * count : (number + 1) * count]


def everyones(rows: tf.Tensor) -> tf.Tensor:
    """The rows of all replicas `[B, ...]`, one below the other, of this one's `[b, ...]`; numbers, or truth values."""
    number, replicas = place()
    if replicas == 1:
        return rows
    if rows.dtype == tf.bool:
        return tf.cast(everyones(tf.cast(rows, tf.int32)), tf.bool)
    if rows.dtype == tf.uint8:
        return tf.cast(everyones(tf.cast(rows, tf.int32)), tf.uint8)
    count = rows.shape[0]
    padded = tf.pad(rows, [[number * count, (replicas - 1 - number) * count], *[[0, 0]] * (len(rows.shape) - 1)])
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, padded)
