"""Catch: drops fall, and a paddle on the ground that goes one cell a step is to be below each when it lands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.data.environments.spaces import Spaces
from kvision.data.environments.world import World
from kvision.data.environments.worlds import chance, field

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from kvision.data.environments.environment import State

DROP, PADDLE = (90, 180, 255), (255, 255, 255)


class Catch(World):
    """Several drops an episode, more than one of them in the air; each is near enough to the one before that all can be caught.

    Actions: 0 left, 1 stay, 2 right. Reward 1 for each drop that is caught. Drop k is let go at step `k * gap`, falls a row a step and lands in the
    lowest row, where the paddle is. The episode ends when the last one lands.
    """

    def __init__(self, num: int, *, size: int, drops: int, gap: int) -> None:
        """Keeps the numbers.

        Args:
            num: N.
            size: Side of the field and of the picture, S.
            drops: In an episode.
            gap: Steps between two drops; no drop is further than that from the one before.
        """
        super().__init__(num, Spaces((size, size, 3), "uint8", actions=(3,)), max_steps=(drops - 1) * gap + size - 1)
        self.size, self.drops, self.gap = size, drops, gap

    def begin(self, seeds: tf.Tensor) -> State:
        """The paddle in the middle, and the column of each drop."""
        drawn = chance.uniform(seeds, tf.zeros_like(seeds), self.drops)
        column = tf.cast(drawn[:, 0] * self.size, tf.int32)
        columns = [column]
        for drop in range(1, self.drops):
            low, high = tf.maximum(column - self.gap, 0), tf.minimum(column + self.gap, self.size - 1)
            column = low + tf.cast(drawn[:, drop] * tf.cast(high - low + 1, tf.float32), tf.int32)
            columns.append(column)
        return {"paddle": tf.zeros_like(column) + self.size // 2, "columns": tf.stack(columns, axis=1)}

    def advance(self, state: Mapping[str, tf.Tensor], actions: tf.Tensor) -> tuple[State, tf.Tensor, tf.Tensor]:
        """The paddle goes, the drops fall, and one may land."""
        paddle = tf.clip_by_value(state["paddle"] + actions - 1, 0, self.size - 1)
        landed = tf.equal(self._rows(state["time"] + 1), self.size - 1)
        caught = landed & tf.equal(state["columns"], paddle[:, None])
        return {**state, "paddle": paddle}, tf.reduce_sum(tf.cast(caught, tf.float32), axis=1), landed[:, -1]

    def observe(self, state: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """A pixel for each cell, uint8 `[N, S, S, 3]`."""
        rows = self._rows(state["time"])
        drops = tf.where((rows >= 0) & (rows < self.size), rows * self.size + state["columns"], -1)
        paddle = (self.size - 1) * self.size + state["paddle"]
        return field.paint([(drops, DROP), (paddle[:, None], PADDLE)], self.size, self.size)

    def render(self, state: Mapping[str, np.ndarray]) -> np.ndarray:
        """The observation, enlarged."""
        return field.drawn(self.observe, state)

    def _rows(self, time: tf.Tensor) -> tf.Tensor:
        """Row of each drop `[N, drops]`; one below 0 waits, one of S or more has landed."""
        return tf.cast(time, tf.int32)[:, None] - tf.range(self.drops) * self.gap
