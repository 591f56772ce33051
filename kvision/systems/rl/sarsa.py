"""SARSA: a table of action values that learns what the actions that it really takes are worth, exploration included.

Paper: Rummery and Niranjan 1994, On-Line Q-Learning Using Connectionist Systems, CUED/F-INFENG/TR 166; expected: van Seijen et al. 2009, A
Theoretical and Empirical Analysis of Expected Sarsa.
Deviations: lanes are played side by side and learnt from at once; a value that several of them tell of goes towards the mean of their targets. With
`data.batch` 1 there is none. Where a time limit cuts an episode off no next action is taken: the target has the mean over the policy's actions there.
Shapes: `observation` int32 `[B]`, `q_values` `[B, A]`; in training `[N, T]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from kvision.systems.rl._table import ExploringOptions, Tabular

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import tensorflow as tf

    from kvision.engine.optim import Update
    from kvision.engine.replica import AnyVariable
    from kvision.engine.system import Batch

KEPT = {"observation": "int32", "action": "int32", "reward": "float32", "discount": "float32", "truncated": "bool", "final_observation": "int32"}
"""What is remembered of the last step of each lane until its next action is known, and as what."""


class SARSAOptions(ExploringOptions):
    """Which next action counts."""

    expected: bool = Field(False, description="Learn from the mean over the policy's next actions in place of the one that is taken.")


class SARSA(Tabular):
    """On-policy temporal differences: Q(s, a) moves towards r + gamma Q(s', a'), where a' is the next action that is taken."""

    Options = SARSAOptions
    exempt: ClassVar[Mapping[str, str]] = {"overfits": "each step is another place of the environment, and targets move with the table"}

    def build(self) -> dict[str, keras.Model]:
        """The table, and a memory of the last step of each lane."""
        import tensorflow as tf

        from kvision.engine import rows

        self._last = {name: rows.variable(tf.zeros([self.data.envs], dtype), f"last_{name}") for name, dtype in KEPT.items()}
        return super().build()

    def carried(self) -> dict[str, AnyVariable]:
        """And the last step of each lane."""
        return {**super().carried(), **{f"last/{name}": variable for name, variable in self._last.items()}}

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Plays, and learns at once from all steps whose next action is known."""
        from kvision.engine import rows

        del batch
        options: SARSAOptions = self.recipe.model  # type: ignore[assignment]
        epsilon, first = self.epsilon(), self.collector.steps < self.recipe.data.batch
        met = self.roll(epsilon)
        if options.expected:
            q_t = self._mean(met["final_observation"], epsilon)
        else:
            met, q_t = self._with_next(met, epsilon, first)
        loss = self.learn(updates, met, met["reward"] + met["discount"] * q_t)
        return {"loss": loss, "return": self.collector.returns / rows.place()[1]}

    def _with_next(self, played: Mapping[str, tf.Tensor], epsilon: tf.Tensor, first: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """The steps `[N, T]` that the rollout's actions come next to: its own but for the last, which is kept; and what these actions are worth."""
        import tensorflow as tf

        from kvision.engine import replica

        met = {name: tf.concat([tf.convert_to_tensor(self._last[name])[:, None], played[name][:, :-1]], 1) for name in KEPT}
        for name, variable in self._last.items():
            replica.assign(variable, played[name][:, -1])
        weight = tf.ones_like(played["reward"])
        weight = tf.where(first, tf.concat([tf.zeros_like(weight[:, :1]), weight[:, 1:]], 1), weight)  # the run's first step comes next to none
        taken = tf.gather(self.q_values(met["final_observation"]), played["action"], batch_dims=2)
        return {**met, "weight": weight}, tf.where(met["truncated"], self._mean(met["final_observation"], epsilon), taken)

    def _mean(self, state: tf.Tensor, epsilon: tf.Tensor) -> tf.Tensor:
        """What the policy's actions are worth on the average, `[N, T]`."""
        import tensorflow as tf

        from kvision.ops import planning

        values = self.q_values(state)
        return tf.reduce_sum(planning.greedy(values, epsilon) * values, -1)
