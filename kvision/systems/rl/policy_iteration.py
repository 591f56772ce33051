"""Policy iteration: the greedy policy of the table is evaluated exactly, by linear equations, and that is the next table.

Paper: Howard 1960, Dynamic Programming and Markov Processes; Sutton and Barto 2018, section 4.3.
Deviations: the table is in float32; that the policy is stable shows in the table (`residual` 0), so equally good policies can't alternate for ever.
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

    from kvision.core.schema import Recipe
    from kvision.engine.optim import Update
    from kvision.engine.replica import AnyVariable
    from kvision.engine.system import Batch


class PolicyIteration(Tabular):
    """A training step is one evaluation and improvement; nothing is played but to evaluate."""

    Options = TableOptions
    monitor = Monitor("exact_return", "max")
    reports: ClassVar[tuple[str, ...]] = ("residual",)

    @classmethod
    def check(cls, recipe: Recipe) -> list[tuple[str, str]]:
        """Also a discount of 1, with which policies that never end have no value."""
        options: TableOptions = recipe.model  # type: ignore[assignment]
        endless = [("model.gamma", "with 1 a policy that never comes to an end has no value to solve for; use less, such as 0.999")]
        return super().check(recipe) + (endless if options.gamma == 1.0 else [])

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
        """Values of the greedy policy, and from them what each action is worth."""
        from kvision.ops import planning

        del batch
        options: TableOptions = self.recipe.model  # type: ignore[assignment]

        def backup(q_values: tf.Tensor, expected: tf.Tensor, continuing: tf.Tensor) -> tf.Tensor:
            values = planning.evaluate(planning.greedy(q_values), expected, continuing, options.gamma)
            return planning.backup(values, expected, continuing, options.gamma)

        return self.plan(updates, backup)
