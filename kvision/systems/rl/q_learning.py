"""Q-learning: a table of action values that learns what the best next action is worth, whichever is taken.

Paper: Watkins 1989, Learning from Delayed Rewards, PhD thesis, Cambridge; Watkins and Dayan 1992, Machine Learning 8.
Deviations: lanes are played side by side and learnt from at once; a value that several of them tell of goes towards the mean of their targets. With
`data.batch` 1 there is none.
Shapes: `observation` int32 `[B]`, `q_values` `[B, A]`; in training `[N, T]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kvision.systems.rl._table import ExploringOptions, Tabular

if TYPE_CHECKING:
    from collections.abc import Mapping

    import tensorflow as tf

    from kvision.engine.optim import Update
    from kvision.engine.system import Batch


class QLearning(Tabular):
    """Off-policy temporal differences: Q(s, a) moves towards r + gamma max over a' of Q(s', a')."""

    Options = ExploringOptions
    exempt: ClassVar[Mapping[str, str]] = {"overfits": "each step is another place of the environment, and targets move with the table"}

    def train_step(self, batch: Batch, updates: Mapping[str, Update]) -> dict[str, tf.Tensor]:
        """Plays, and learns from all of it at once."""
        import tensorflow as tf

        from kvision.engine import rows

        del batch
        played = self.roll(self.epsilon())
        q_t = tf.reduce_max(self.q_values(played["final_observation"]), -1)
        loss = self.learn(updates, played, played["reward"] + played["discount"] * q_t)
        return {"loss": loss, "return": self.collector.returns / rows.place()[1]}
