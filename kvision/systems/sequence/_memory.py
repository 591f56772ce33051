"""What each place of a batch remembers from one training step to the next: truncated backpropagation through time without forgetting.

Every replica holds the states of the whole global batch, uses its own part, and learns the others' from one reduction, so that a checkpoint is the
same whatever trained it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.engine import replica

if TYPE_CHECKING:
    from collections.abc import Mapping


class Memory:
    """States of a recurrent network, and which example each place of the batch would read on with.

    Args:
        batch: Global batch size.
        widths: Of each state, by name.
    """

    def __init__(self, batch: int, widths: Mapping[str, int]) -> None:
        self.variables = {name: _variable(tf.zeros([batch, width]), name) for name, width in widths.items()}
        self.variables["next"] = _variable(tf.fill([batch], tf.constant(-1, tf.int64)), "next")

    def read(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """The states that examples `index` int64 `[b]` begin with, `[b, W]`: those after the example before, or zeros where that was another one."""
        before = {name: self._mine(variable, index) for name, variable in self.variables.items()}
        follows = tf.equal(before.pop("next"), index)[:, None]
        return {name: tf.where(follows, value, 0.0) for name, value in before.items()}

    def write(self, index: tf.Tensor, states: Mapping[str, tf.Tensor]) -> None:
        """Keeps the states `[b, W]` after examples `index`."""
        for name, value in {**states, "next": index + 1}.items():
            replica.assign(self.variables[name], self._everyones(tf.stop_gradient(value)))

    def _mine(self, variable: tf.Variable, index: tf.Tensor) -> tf.Tensor:
        """This replica's rows."""
        number, _ = _place()
        count = index.shape[0]
        return tf.convert_to_tensor(variable)[number * count : (number + 1) * count]

    def _everyones(self, rows: tf.Tensor) -> tf.Tensor:
        """The rows of all replicas, one below the other."""
        number, replicas = _place()
        if replicas == 1:
            return rows
        count = rows.shape[0]
        padded = tf.pad(rows, [[number * count, (replicas - 1 - number) * count], *[[0, 0]] * (len(rows.shape) - 1)])
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, padded)


def _place() -> tuple[int, int]:
    """Number of this replica, and of how many."""
    context = tf.distribute.get_replica_context()
    return (0, 1) if context is None else (context.replica_id_in_sync_group, context.num_replicas_in_sync)


def _variable(value: tf.Tensor, name: str) -> tf.Variable:
    """Equal on all replicas, each of which writes its own copy."""
    return tf.Variable(value, trainable=False, name=name, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
