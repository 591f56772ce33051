"""A session for all properties that train a system: opened once, traced once, and put back to its start for each of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision.engine import optim, state
from kvision.engine.loop import Loop
from kvision.engine.strategy import distribute
from tests.conformance import subject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.engine.optim import Update
    from kvision.engine.session import Session
    from kvision.engine.system import Batch

AT_ONCE = ("optim.warmup_steps=0", "optim.schedule=constant")
FAST = (*AT_ONCE, "optim.lr=1e-2", "optim.weight_decay=0")
"""Quick enough that 60 steps learn a batch by heart."""
DESCENT = (*AT_ONCE, "optim.name=sgd", "optim.lr=0.1", "optim.weight_decay=0")
"""Plain descent: the steps of the adaptive optimizers depend on the sign of gradients that are but rounding."""


class Bench:
    """A system in training by `FAST`, on one device in float32."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.session = subject.open_session(name, *FAST)
        self._loop = Loop(self.session)
        # The guard is in no checkpoint, but after a loss that was not finite it stops every later step.
        self._variables = self.session.variables() | self.session.for_training.guard.variables
        self._start = state.read(self._variables)

    def begin(self) -> None:
        """Puts everything back to its start."""
        state.write(self._variables, self._start, "the bench")

    @property
    def first_batch(self) -> Batch:
        """The first one of the first epoch."""
        return next(iter(self.session.pipeline.train(0)))

    def loop(self) -> Loop:
        """The loop at its start."""
        self._loop._iterator = None
        return self._loop

    def loop_on_one_batch(self) -> Loop:
        """The loop, which is given the first batch again and again."""
        self._loop._iterator = iter(self.session.pipeline.train(0).take(1).cache().repeat())
        return self._loop

    def descend(self, steps: int) -> float:
        """Takes steps as a session by `DESCENT` would; the loss of the last one."""
        session, training = self.session, self.session.for_training
        options = subject.resolved(self.name, *DESCENT).recipe.optim
        own = {"total_steps": training.total, "step": training.step, "loss_scale": training.loss_scale, "guard": training.guard}
        with session.strategy.scope():
            updates = optim.of_system(session.system, options, **own)
        return take(session, updates, steps)


def take(session: Session, updates: Mapping[str, Update], steps: int) -> float:
    """Takes steps outside of a graph, which is quicker than tracing one for so few; the loss of the last one."""
    strategy, loss = session.strategy, math.nan
    batches = distribute(strategy, lambda context: session.pipeline.train(0, context))
    for _, batch in zip(range(steps), batches, strict=False):
        outputs = strategy.run(session.system.train_step, (batch, updates))
        loss = float(strategy.reduce(tf.distribute.ReduceOp.SUM, outputs["loss"], axis=None))
        session.for_training.step.assign_add(1)
    return loss


def trace(session: Session) -> None:
    """Traces the forward part of a step, for `take` would not show what can't be in a graph, such as replicas that meet in a loop or a branch."""
    part = tf.distribute.InputContext(num_replicas_in_sync=session.strategy.num_replicas_in_sync)
    batch, meetings = next(iter(session.pipeline.train(0, part))), dict.fromkeys(session.system.trainables(), _Meeting())
    tf.function(lambda: session.strategy.run(session.system.train_step, (batch, meetings))).get_concrete_function()


class _Meeting:
    """Stands in for an `Update`: the replicas meet in it as in one, and nothing else is done."""

    def minimize(self, loss: Any, batch: Batch, *, of: int | None = None) -> tf.Tensor:
        value = tf.reduce_mean(tf.cast(loss(batch), tf.float32))
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)
