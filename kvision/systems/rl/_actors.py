"""Several processes that play while the learner learns: each with a copy of the policy, and a bounded queue between them.

Every engine step takes one rollout of each actor, side by side as lanes, so that the replay buffer's rows follow one another on each lane. An actor
that is ahead waits when its queue is full, the learner waits for one that is behind. How old the weights are that a rollout was played with depends
on who was faster: such a run is not the same twice.

Paper: Horgan et al. 2018, Distributed Prioritized Experience Replay, arXiv 1803.00933
Deviations: one learner's loop also fills the buffer; transitions get the highest priority, not one that the actors computed.
Shapes: T steps of a rollout, N lanes over all actors.
"""

from __future__ import annotations

import atexit
import multiprocessing
import queue
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.core.errors import DataError, KvisionError
from kvision.engine import replica, rows
from kvision.systems.rl import _actor
from kvision.systems.rl._collector import RECENT, mean_of_recent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.engine.replica import AnyVariable
    from kvision.systems.rl._off_policy import OffPolicy, OffPolicyOptions

START_S = 180.0
"""What an actor may take longer for its first rollout: it has to import TensorFlow and trace its graph, beside others that do."""
SEED_STRIDE = 10_007
"""Between the seeds of actors; those of an actor that begins again go on by the steps made."""


class Actors:
    """Takes the place of a `Collector`.

    Args:
        agent: Whose policy is played.

    Attributes:
        steps: Environment steps so far, over all lanes, int64 scalar variable.
        lag: Engine steps between the publication of the weights that the last rollouts were played with and their use, mean over the actors.
        processes: Of the actors; none before the first rollout is asked for.
        fault: What went wrong; the graph that asked has failed.
    """

    def __init__(self, agent: OffPolicy) -> None:
        self._agent = agent
        self._options: OffPolicyOptions = agent.recipe.model  # type: ignore[assignment]
        self.steps = replica.scalar(0, tf.int64, "steps")
        self.lag = replica.scalar(0.0, tf.float32, "lag")
        self._recent = rows.variable(tf.fill([RECENT], float("nan")), "recent")
        self.processes: list[Any] = []
        self._queues: list[Any] = []
        self._weights: Any = None
        self._version: Any = None
        self._published = 0
        self.fault: KvisionError | None = None

    @property
    def variables(self) -> dict[str, AnyVariable]:
        """Where everything stands, by name; actors begin new episodes when a run goes on."""
        return {"play/steps": self.steps, "play/recent": self._recent}

    @property
    def environments(self) -> list[Actors]:
        """What may fail."""
        return [self]

    @property
    def returns(self) -> tf.Tensor:
        """As `Collector.returns`."""
        return mean_of_recent(self._recent)

    def rollout(self, act: Any, length: int) -> dict[str, tf.Tensor]:
        """The next rollout of each actor `[T, N, ...]`, as `Collector.rollout` gives it; they act as `act` does."""
        del act
        lanes = self._agent.data.envs
        kinds = self._agent.experience.kinds | {"finished": ((), "float32")}
        weights = [tf.reshape(tf.cast(variable.value, tf.float32), [-1]) for variable in self._agent.net.weights]
        given = [tf.concat(weights, 0), tf.identity(self.steps)]
        *values, lag = tf.numpy_function(self._guarded, given, [*(dtype for _, dtype in kinds.values()), tf.float32])
        found = {name: tf.ensure_shape(value, [length, lanes, *shape]) for (name, (shape, _)), value in zip(kinds.items(), values, strict=True)}
        finished = tf.reshape(found.pop("finished"), [-1])
        ended = tf.boolean_mask(finished, ~tf.math.is_nan(finished))
        replica.assign(self._recent, tf.concat([tf.convert_to_tensor(self._recent), ended], 0)[-RECENT:])
        replica.assign(self.steps, self.steps + length * lanes)
        replica.assign(self.lag, tf.ensure_shape(lag, []))
        return found

    def close(self) -> None:
        """Ends the actors."""
        _end(self.processes)

    def _guarded(self, weights: np.ndarray, steps: np.ndarray) -> list[np.ndarray]:
        try:
            return self._exchange(weights, int(steps))
        except KvisionError as error:
            self.fault = error
            raise

    def _exchange(self, weights: np.ndarray, steps: int) -> list[np.ndarray]:
        """Publishes the weights, if it is time to, and takes the rollouts."""
        if not self.processes:
            self._start(weights, steps)
        elif self._published % self._options.actor_refresh == 0:
            with self._version.get_lock():
                np.frombuffer(self._weights, np.float32)[:] = weights
                self._version.value = self._published
        taken = [self._taken(number) for number in range(len(self.processes))]
        lag = np.array(self._published - np.mean([rollout["version"] for rollout in taken]), np.float32)
        self._published += 1
        names = [*self._agent.experience.kinds, "finished"]
        return [*(np.concatenate([rollout[name] for rollout in taken], 1) for name in names), lag]

    def _start(self, weights: np.ndarray, steps: int) -> None:
        context, count = multiprocessing.get_context("spawn"), self._options.actors
        self._weights, self._version = context.RawArray("f", len(weights)), context.Value("q", 0)
        np.frombuffer(self._weights, np.float32)[:] = weights
        self._queues = [context.Queue(self._options.actor_ahead) for _ in range(count)]
        for number, out in enumerate(self._queues):
            what = (type(self._agent), type(self._agent.recipe.data), self._share(number, steps), self._agent.info)
            order = _actor.Order(*what, steps // count, self._weights, self._version, out)
            process = context.Process(target=_actor.work, args=(order,), name=f"actor {number}", daemon=True)
            process.start()
            self.processes.append(process)
        atexit.register(_end, self.processes)  # before multiprocessing asks them to end, which they would not

    def _share(self, number: int, steps: int) -> dict[str, Any]:
        """The recipe of an actor."""
        values, count, data = self._agent.recipe.model_dump(mode="json"), self._options.actors, self._agent.data
        values["data"] |= {"envs": data.envs // count, "batch": data.batch // count, "steps": -(-data.steps // count)}
        values["train"]["seed"] += SEED_STRIDE * (1 + number) + steps
        values["model"]["actors"] = 0
        return values

    def _taken(self, number: int) -> dict[str, np.ndarray]:
        """The next rollout of an actor; raises `DataError` if it is dead, silent, or failed."""
        limit = self._options.actor_timeout_s
        until = time.monotonic() + limit + (0.0 if self._published else START_S)
        while time.monotonic() < until:
            try:
                found = self._queues[number].get(timeout=0.5)
            except queue.Empty:
                if self.processes[number].is_alive():
                    continue
                raise self._gone(number, f"died (exit code {self.processes[number].exitcode})") from None
            if isinstance(found, str):
                raise self._gone(number, f"failed: {found.strip()}")
            return dict(found)
        raise self._gone(number, f"gave no rollout within model.actor_timeout_s={limit:g} s; it hangs, or needs more time")

    def _gone(self, number: int, how: str) -> DataError:
        self.close()
        rest = "" if "--resume" in how else ". The run stands at its last checkpoint; go on with --resume"
        return DataError(f"{self._agent.maker.name}: actor {number} of {self._options.actors} {how}{rest}, or see why with model.actors=0")


def _end(processes: Sequence[Any]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.join()
