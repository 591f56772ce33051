"""Value iteration: sweeps over all states of a known environment, each of which makes the table agree with the one before it a step ahead.

Paper: Bellman 1957, A Markovian Decision Process, J. Math. Mech. 6; Sutton and Barto 2018, eq. 4.10.
Deviations: the table is of actions, and in float32: values settle to about 1e-7 of the largest, and actions that differ by less, as many do with
`model.gamma` 1, are told apart by rounding alone.
Shapes: S states, A actions; `observation` int32 `[B]`, `q_values` `[B, A]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kvision.engine.system import Monitor
from kvision.systems.rl._table import TableOptions, Tabular

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import tensorflow as tf

    from kvision.engine.optim import Update
    from kvision.engine.replica import AnyVariable
    from kvision.engine.system import Batch


class ValueIteration(Tabular):
    """A training step is a sweep; nothing is played but to evaluate. The learning rate is the share of the way that values go: 1 in the textbook."""

    Options = TableOptions
    monitor = Monitor("exact_return", "max")
    reports: ClassVar[tuple[str, ...]] = ("residual",)

    def build(self) -> dict[str, keras.Model]:
        """The table; raises `UsageError` where the dynamics are not known."""
        _ = self.model
        return super().build()

    def carried(self) -> dict[str, AnyVariable]:
        """Nothing, for nothing is played."""
        return {}

    def known(self) -> dict[str, tf.Tensor]:
        """And `residual`, how far the table is from Bellman's optimality equation."""
        return {**super().known(), "residual": self.residual()}

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """One sweep: q(s, a) = r(s, a) + gamma sum over s' of p(s' | s, a) max over a' of q(s', a')."""
        import tensorflow as tf

        from kvision.ops import planning

        del batch
        options: TableOptions = self.recipe.model  # type: ignore[assignment]

        def backup(q_values: tf.Tensor, expected: tf.Tensor, continuing: tf.Tensor) -> tf.Tensor:
            return planning.backup(tf.reduce_max(q_values, 1), expected, continuing, options.gamma)

        return self.plan(updates, backup)
