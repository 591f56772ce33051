"""Dyna-Q: Q-learning that also keeps a model of what it has met, and learns from it between the steps in the environment.

Paper: Sutton 1990, Integrated Architectures for Learning, Planning, and Reacting Based on Approximating Dynamic Programming, ICML; Sutton and Barto
2018, section 8.2.
Deviations: the model counts what followed each action, so that it is right for environments of chance too, and planning takes the mean over it; the
planning updates of a step are made at once, as those of the lanes are.
Shapes: `observation` int32 `[B]`, `q_values` `[B, A]`; in training `[N, T]`; the model `[S, A, S]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from kvision.core.errors import UsageError
from kvision.systems.rl._table import LARGEST, ExploringOptions, Tabular

if TYPE_CHECKING:
    from collections.abc import Mapping

    import keras
    import tensorflow as tf

    from kvision.engine.optim import Update
    from kvision.engine.replica import AnyVariable
    from kvision.engine.system import Batch

PLANNING_STREAM = 1_000_151
"""Keeps what planning draws apart from all other draws."""


class DynaQOptions(ExploringOptions):
    """How much is planned."""

    planning: int = Field(10, ge=1, le=10_000, description="States and actions that are learnt from in the model for each step in the environment.")


class DynaQ(Tabular):
    """Q-learning, and as many times again from the model."""

    Options = DynaQOptions
    exempt: ClassVar[Mapping[str, str]] = {"overfits": "each step is another place of the environment, and targets move with the table"}

    def build(self) -> dict[str, keras.Model]:
        """The table, and an empty model."""
        import tensorflow as tf

        from kvision.engine import rows

        states, actions = self.sizes
        if states * actions * states > LARGEST:
            size = states * actions * states
            raise UsageError(f"system: a model of {states} states and {actions} actions has {size} entries, more than {LARGEST}; use rl/q_learning")
        shapes = {"count": [states, actions], "gain": [states, actions], "onward": [states, actions, states]}
        self._model = {name: rows.variable(tf.zeros(shape), name) for name, shape in shapes.items()}
        return super().build()

    def carried(self) -> dict[str, AnyVariable]:
        """And the model: how often each action was taken, the sum of its rewards, and how often it led on to each state."""
        return {**super().carried(), **{f"model/{name}": variable for name, variable in self._model.items()}}

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Plays, learns from all of it at once, then from the model."""
        import tensorflow as tf

        from kvision.engine import rows

        del batch
        played = self.roll(self.epsilon())
        q_t = tf.reduce_max(self.q_values(played["final_observation"]), -1)
        loss = self.learn(updates, played, played["reward"] + played["discount"] * q_t)
        self._remember(played)
        self.learn(updates, *self._imagined())
        return {"loss": loss, "return": self.collector.returns / rows.place()[1]}

    def _remember(self, played: Mapping[str, tf.Tensor]) -> None:
        """Counts what has been met."""
        import tensorflow as tf

        from kvision.engine import replica

        place = tf.reshape(tf.stack([played["observation"], played["action"], played["final_observation"]], -1), [-1, 3])
        goes_on = tf.reshape(tf.cast(played["discount"] > 0, tf.float32), [-1])
        sums = {"count": tf.ones_like(goes_on), "gain": tf.reshape(played["reward"], [-1]), "onward": goes_on}
        for name, variable in self._model.items():
            where = place if name == "onward" else place[:, :2]
            replica.assign_add(variable, tf.scatter_nd(where, sums[name], variable.shape))

    def _imagined(self) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """States and actions drawn from those that have been met, and what the model says that they are worth, `[M]`."""
        import tensorflow as tf

        options: DynaQOptions = self.recipe.model  # type: ignore[assignment]
        count, gain, onward = (tf.convert_to_tensor(self._model[name]) for name in ("count", "gain", "onward"))
        met = tf.cast(tf.where(count > 0), tf.int32)
        seed = tf.stack([tf.constant(self.recipe.train.seed + PLANNING_STREAM, tf.int64), tf.identity(self.collector.steps)])
        uniform = tf.random.stateless_uniform([options.planning * self.recipe.data.batch], seed)
        drawn = tf.gather(met, tf.minimum(tf.cast(uniform * tf.cast(tf.shape(met)[0], tf.float32), tf.int32), tf.shape(met)[0] - 1))
        best = tf.reduce_max(self.q_values(tf.range(self.sizes[0])), -1)
        total = tf.gather_nd(gain, drawn) + options.gamma * tf.linalg.matvec(tf.gather_nd(onward, drawn), best)
        return {"observation": drawn[:, 0], "action": drawn[:, 1]}, total / tf.gather_nd(count, drawn)
