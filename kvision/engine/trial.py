"""A short training on the side: a session's networks, optimizers of its own, and everything back at the start whenever it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.engine import optim, precision, replica, state
from kvision.engine.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kvision.core.schema import OptimOptions
    from kvision.engine.session import Session
    from kvision.engine.system import Batch


class Trial:
    """Trains a session's networks as the engine does, step for step, without the session's own optimizers, averages and counters.

    Args:
        session: Its networks are trained; its training part, if it has one, is not touched.
        options: The `optim` section to train by.
        total_steps: Length that the learning rate's schedule is made for.
    """

    def __init__(self, session: Session, options: OptimOptions, total_steps: int) -> None:
        self._session = session
        with session.strategy.scope():
            self._step = replica.scalar(0, tf.int64, "trial_step")
            scale, guard = precision.loss_scale(session.precision), Guard()
            self._updates = optim.of_system(session.system, options, total_steps=total_steps, step=self._step, loss_scale=scale, guard=guard)
        own: dict[str, Any] = {"step": self._step, **guard.variables, **scale.variables}
        for update in self._updates.values():
            own |= update.variables
        self._variables = session.weights() | own
        self._start = state.read(self._variables)
        self._graph = tf.function(self._take)

    def begin(self) -> None:
        """Puts weights and optimizers back to what they were when the trial was made."""
        state.write(self._variables, self._start, "the trial")

    def steps(self, batches: Iterable[Batch], count: int) -> Iterator[tuple[float, float]]:
        """Goes on training, one step each time it is asked.

        Args:
            batches: Global batches, as `strategy.distribute` gives them.
            count: Most steps to take.

        Yields:
            After each step, the learning rate that it was made with and the loss of its batch before it. A step whose loss or gradients are not
            finite, and all after it, change nothing.
        """
        first = next(iter(self._updates.values()))
        for _, batch in zip(range(count), batches, strict=False):
            rate = float(first.learning_rate().numpy())
            yield rate, float(self._graph(batch).numpy())

    def train(self, batches: Iterable[Batch], count: int) -> np.ndarray:
        """Trains from the start for `count` steps; the losses `[count]`."""
        self.begin()
        return np.array([loss for _, loss in self.steps(batches, count)])

    def _take(self, batch: Any) -> tf.Tensor:
        """One step; the loss of the global batch."""
        strategy = self._session.strategy
        loss = strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(self._on_replica, (batch,)), axis=None)
        with tf.control_dependencies([loss]):
            self._step.assign_add(1)
        return loss

    def _on_replica(self, batch: Batch) -> tf.Tensor:
        return self._session.trained.train_step(batch, self._updates)["loss"]
