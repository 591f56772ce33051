"""Means over what counts in a global batch, such as pieces without padding, whichever replica has it."""

from __future__ import annotations

import tensorflow as tf


def scale(count: tf.Tensor, batch: int) -> tf.Tensor:
    """What sums of examples are multiplied by, so that their mean over the global batch is the mean over all that counts.

    Args:
        count: How much counts in this replica's part, float32 scalar.
        batch: Global batch size.

    Returns:
        Scalar, the same on all replicas.
    """
    context = tf.distribute.get_replica_context()
    if context is not None and context.num_replicas_in_sync > 1:
        count = context.all_reduce(tf.distribute.ReduceOp.SUM, count)
    return batch / tf.maximum(count, 1.0)


def sums(weight: tf.Tensor, **values: tf.Tensor) -> dict[str, tf.Tensor]:
    """Sums over examples and all else, `[b, ...]` by name, of what examples of weight `[b]` have."""
    rows = {name: tf.reduce_sum(tf.reshape(value, [tf.shape(weight)[0], -1]), axis=1) for name, value in values.items()}
    return {name: tf.reduce_sum(value * weight) for name, value in rows.items()}
