"""What each place of a batch remembers from one training step to the next: truncated backpropagation through time without forgetting.

Every replica holds the states of the whole global batch and uses its own part of them, see `kvision.engine.rows`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.engine import replica, rows

if TYPE_CHECKING:
    from collections.abc import Mapping


class Memory:
    """States of a recurrent network, and which example each place of the batch would read on with.

    Args:
        batch: Global batch size.
        widths: Of each state, by name.
    """

    def __init__(self, batch: int, widths: Mapping[str, int]) -> None:
        self.variables = {name: rows.variable(tf.zeros([batch, width]), name) for name, width in widths.items()}
        self.variables["next"] = rows.variable(tf.fill([batch], tf.constant(-1, tf.int64)), "next")

    def read(self, index: tf.Tensor) -> dict[str, tf.Tensor]:
        """The states that examples `index` int64 `[b]` begin with, `[b, W]`: those after the example before, or zeros where that was another one."""
        before = {name: rows.mine(variable) for name, variable in self.variables.items()}
        follows = tf.equal(before.pop("next"), index)[:, None]
        return {name: tf.where(follows, value, 0.0) for name, value in before.items()}

    def write(self, index: tf.Tensor, states: Mapping[str, tf.Tensor]) -> None:
        """Keeps the states `[b, W]` after examples `index`."""
        for name, value in {**states, "next": index + 1}.items():
            replica.assign(self.variables[name], rows.everyones(tf.stop_gradient(value)))
