"""Reduce the learning rate when the monitored metric no longer improves: the one schedule that has state."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import tensorflow as tf

from kvision.engine import replica
from kvision.engine.system import is_better

if TYPE_CHECKING:
    from kvision.engine.system import Mode


class Plateau:
    """A factor on the learning rate, multiplied by `decay` after `patience` epochs without improvement. Make it inside the strategy's scope.

    Args:
        decay: The factor of one reduction.
        patience: Epochs without improvement before it.

    Attributes:
        multiplier: float32, the factor.
    """

    def __init__(self, decay: float, patience: int) -> None:
        self.decay = decay
        self.patience = patience
        self.multiplier = replica.scalar(1.0, tf.float32, "plateau_multiplier")
        self._best = replica.scalar(math.nan, tf.float64, "plateau_best")
        self._waited = replica.scalar(0, tf.int64, "plateau_waited")

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """State by stable name."""
        return {"plateau_multiplier": self.multiplier, "plateau_best": self._best, "plateau_waited": self._waited}

    def observe(self, value: float, mode: Mode) -> bool:
        """Takes an epoch's metric, outside the graph and outside replicas.

        Args:
            value: The monitored metric; NaN counts as no improvement.
            mode: Whether greater or smaller is better.

        Returns:
            Whether the rate was reduced now.
        """
        best = float(tf.convert_to_tensor(self._best))
        waited = int(tf.convert_to_tensor(self._waited)) + 1
        if is_better(value, best, mode):
            self._best.assign(value)
            self._waited.assign(0)
            return False
        reduce = waited >= self.patience
        if reduce:
            self.multiplier.assign(tf.convert_to_tensor(self.multiplier) * self.decay)
        self._waited.assign(0 if reduce else waited)
        return reduce
