"""The loop's graph: several training steps in one call.

How many steps a call makes changes nothing but the time: a step is a function of the state and of the step's number. There is no Python, and no
question from the host, between the steps of a call.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from kvision.core.errors import DataError, RunError
from kvision.engine.evaluation import Evaluator, judged
from kvision.engine.strategy import distribute

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from kvision.engine.session import Session
    from kvision.engine.system import Batch


@dataclass(frozen=True)
class Call:
    """What a training call says.

    Attributes:
        step: Steps done since the run began.
        loss: Loss of the last step.
        means: Means over the epoch so far of `loss` and of what `System.reports` names; NaN if no step was counted.
        lr: Learning rate of the last step.
        wait_s: Seconds that the call waited for data.
        bad_step: The step whose loss or gradients were not finite, whose update was therefore left out; none if all is well.
    """

    step: int
    loss: float
    means: dict[str, float]
    lr: float
    wait_s: float
    bad_step: int | None


class Loop:
    """Trains and evaluates one session.

    Args:
        session: With its training part, its state restored.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._training = session.for_training
        self._iterator: Any = None
        self._train_graph = tf.function(self._train)
        self._evaluator = Evaluator(session)

    def train(self, end: int) -> Call:
        """Goes on to step `end`, in one graph call; stops before it only when a step goes wrong.

        Args:
            end: The step to stop after, counted from the beginning of the run.

        Returns:
            What happened.

        Raises:
            DataError: If a batch could not be read; names the file.
            RunError: If memory ran out, or another worker was lost.
        """
        start = int(self._training.step.numpy())
        if self._iterator is None:
            self._iterator = iter(distribute(self._session.strategy, lambda context: self._session.pipeline.train(start, context)))
        try:
            with self._session.workers.watched():
                step, loss, wait_s, bad_step = [value.numpy() for value in self._train_graph(self._iterator, tf.constant(end, tf.int64))]
        except tf.errors.OpError as error:
            self._iterator = None
            raise self._explain(error, start, end) from error
        return Call(int(step), float(loss), self._means(), self._rate(int(step)), float(wait_s), int(bad_step) if bad_step >= 0 else None)

    def epoch_so_far(self) -> tuple[dict[str, float], float]:
        """Means of the epoch's steps so far as in `Call`, and the learning rate of the last one; a function of the state alone."""
        return self._means(), self._rate(int(self._training.step.numpy()))

    def begin_epoch(self) -> None:
        """Starts the mean of the training loss anew."""
        for total in (*self._training.sums.values(), *self._training.counts.values()):
            total.assign(0)

    def evaluate(self, stop: Callable[[], bool] = lambda: False) -> dict[str, float] | None:
        """Metrics of the whole validation split with the weights as they are.

        Training is not disturbed: nothing random is drawn and its data iterator is another one.

        Args:
            stop: Asked after each batch whether to give up.

        Returns:
            The metrics by name, as `System.metrics` and `System.judge` give them; none if it gave up.
        """
        sums: dict[str, np.ndarray] = {}
        parts = []
        for examples in self._evaluator.run(sums):
            parts.append(examples)
            if stop():
                return None
        return judged(self._session.system, sums, parts)[0]

    def _means(self) -> dict[str, float]:
        counts = {name: int(count.numpy()) for name, count in self._training.counts.items()}
        return {name: float(total.numpy()) / counts[name] if counts[name] else math.nan for name, total in self._training.sums.items()}

    def _rate(self, step: int) -> float:
        """Learning rate of the step before `step`, as the shortest number that is the same float32."""
        rate = next(iter(self._training.updates.values())).learning_rate(tf.constant(step - 1, tf.int64))
        return float(str(rate.numpy()))

    def _train(self, iterator: Any, end: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Steps until `end`, or until one goes wrong; returns step, last loss, seconds waited, bad step."""
        training, strategy = self._training, self._session.strategy
        bad_step = training.guard.first_bad
        wait_s = tf.zeros((), tf.float64)
        loss = tf.zeros(())
        step = tf.identity(training.step)
        going = step < end
        while going:
            asked = self._now()
            with tf.control_dependencies([asked]):
                batch = next(iterator)
            with tf.control_dependencies(tf.nest.flatten(strategy.experimental_local_results(batch))):
                wait_s += self._now() - asked
            outputs = strategy.run(self._step, (batch,))
            found = {name: strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None) for name, value in outputs.items()}
            loss = found["loss"]
            good = tf.identity(bad_step) < 0
            for name, total in training.sums.items():
                told = good & ~tf.math.is_nan(found[name])
                total.assign_add(tf.where(told, tf.cast(found[name], tf.float64), 0.0))
                training.counts[name].assign_add(tf.cast(told, tf.int64))
            # The next step asks for its batch when this one is over, else the waiting would be measured wrongly.
            with tf.control_dependencies([loss]):
                training.step.assign_add(1)
            step = tf.identity(training.step)
            going = tf.logical_and(step < end, good)
        return step, loss, wait_s, tf.identity(bad_step)

    def _now(self) -> tf.Tensor:
        """Seconds, float64, when the graph comes to this place."""
        if self._session.deterministic:  # where tf.timestamp is forbidden: slower, but what it gives enters no result
            return tf.ensure_shape(tf.numpy_function(time.perf_counter, [], tf.float64), [])
        return tf.timestamp()

    def _step(self, batch: Batch) -> dict[str, tf.Tensor]:
        """One step in replica context; this replica's part of the loss and of what is reported."""
        training = self._training
        outputs = self._session.trained.train_step(batch, training.updates)
        if training.ema is not None:
            training.ema.update(training.guard.passed(tf.convert_to_tensor(training.step)))
        return {name: outputs[name] for name in training.sums}

    def _explain(self, error: tf.errors.OpError, start: int, end: int) -> Exception:
        """The error in the user's words, where it is theirs to mend."""
        known = self._session.system.blame()
        if known is not None:
            return known
        if isinstance(error, tf.errors.ResourceExhaustedError):
            recipe = self._session.recipe
            return RunError(
                f"out of memory in step {start + 1} to {end} with data.batch={recipe.data.batch} and optim.accumulate={recipe.optim.accumulate}; "
                "use a larger optim.accumulate (the same result in less memory), a smaller data.batch or a smaller data.size_px"
            )
        reason = self._session.pipeline.blame(start, end - 1)
        return DataError(f"{reason}. Mend or remove the file, or set data.on_error: skip; `kvision data check` lists all faults") if reason else error
