"""A session for all properties that train a system: opened once, traced once, and put back to its start for each of them."""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision.engine import optim, state
from kvision.engine.loop import Loop
from kvision.engine.strategy import distribute
from tests.conformance import subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kvision.engine.session import Session
    from kvision.engine.system import Batch

AT_ONCE = ("optim.warmup_steps=0", "optim.schedule=constant")
FAST = (*AT_ONCE, "optim.lr=1e-2", "optim.weight_decay=0")
"""Quick enough that 60 steps learn a batch by heart."""
DESCENT = (*AT_ONCE, "optim.name=sgd", "optim.lr=0.1", "optim.weight_decay=0")
"""Plain descent: the steps of the adaptive optimizers depend on the sign of gradients that are but rounding."""


class Bench:
    """A system in training by `FAST`, on one device in float32.

    Attributes:
        name: Of the system.
        session: At its start after `begin`.
        batches: The first six of the first epoch.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.session = subject.open_session(name, *FAST)
        self.batches: list[Batch] = batches(self.session, 6)
        self._loop = Loop(self.session)
        # The guard is in no checkpoint, but after a loss that was not finite it stops every later step.
        self._variables = self.session.variables() | self.session.for_training.guard.variables
        self._start = state.read(self._variables)

    def begin(self) -> None:
        """Puts everything back to its start."""
        state.write(self._variables, self._start, "the bench")

    def loop_on_one_batch(self) -> Loop:
        """The loop at its start, which is given the first batch again and again."""
        self._loop._iterator = iter(tf.data.Dataset.from_tensors(self.batches[0]).repeat())
        return self._loop

    def descend(self, steps: int) -> float:
        """Takes steps as a session by `DESCENT` would; the loss of the last one."""
        session, training = self.session, self.session.for_training
        options = subject.resolved(self.name, *DESCENT).recipe.optim
        own = {"total_steps": training.total, "step": training.step, "loss_scale": training.loss_scale, "guard": training.guard}
        with session.strategy.scope():
            updates = optim.of_system(session.system, options, **own)
        return take(session, self.batches[:steps], lambda batch: session.system.train_step(batch, updates))


def batches(session: Session, count: int) -> list[Any]:
    """Those of the next steps, from where the session is, as its strategy's replicas are given them."""
    start = int(session.for_training.step.numpy())
    return list(islice(distribute(session.strategy, lambda context: session.pipeline.train(start, context)), count))


def take(session: Session, given: Iterable[Any], step: Callable[[Batch], Any] | None = None) -> float:
    """Takes a step, which else is the loop's, with each batch; outside of a graph, which is quicker than tracing one for so few.

    The loss of the last one.
    """
    strategy, step, loss = session.strategy, step or Loop(session)._step, math.nan
    for batch in given:
        outputs = strategy.run(step, (batch,))
        loss = float(strategy.reduce(tf.distribute.ReduceOp.SUM, outputs["loss"], axis=None))
        session.for_training.step.assign_add(1)
    return loss


def trace(session: Session, batch: Any) -> None:
    """Traces the forward part of a step, for `take` would not show what can't be in a graph, such as replicas that meet in a loop or a branch."""
    meetings = dict.fromkeys(session.system.trainables(), _Meeting())
    tf.function(lambda: session.strategy.run(session.system.train_step, (batch, meetings))).get_concrete_function()


class _Meeting:
    """Stands in for an `Update`: the replicas meet in it as in one, and nothing else is done."""

    def minimize(self, loss: Any, batch: Batch, *, of: int | None = None) -> tf.Tensor:
        value = tf.reduce_mean(tf.cast(loss(batch), tf.float32))
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)
