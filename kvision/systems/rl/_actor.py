"""A process that plays with a copy of the policy and hands what happened to the learner. TensorFlow is imported later: the process sets it up."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

    from kvision.core.schema import SourceOptions
    from kvision.data.source import DataInfo
    from kvision.systems.rl._off_policy import OffPolicy

ALONE = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


@dataclass(frozen=True)
class Order:
    """What an actor is to do.

    Attributes:
        system: The class of the agent.
        source: The class of the source's options.
        recipe: Plain values, as for one of several actors: its own lanes, its share of the steps, a seed of its own.
        info: With the environment.
        steps: Environment steps that it counts as made, for what goes by them, such as the share of random actions.
        weights: Of the policy, shared: all of them one after the other, float32.
        version: Of the weights; its lock is held while they are written.
        out: Where rollouts go; full: the actor waits.
    """

    system: type[OffPolicy]
    source: type[SourceOptions]
    recipe: dict[str, Any]
    info: DataInfo
    steps: int
    weights: Any
    version: Synchronized[int]
    out: Any


def work(order: Order) -> None:
    """Plays on and on, until the learner is gone; what goes wrong is sent to it."""
    os.environ |= ALONE
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the learner, which saves a checkpoint first and then ends its actors
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def sent(what: dict[str, np.ndarray] | str) -> bool:
        while parent is None or parent.is_alive():
            try:
                order.out.put(what, timeout=1.0)
            except queue.Full:
                continue
            return True
        order.out.cancel_join_thread()  # nobody will ever take what is still in the pipe
        return False

    try:
        played = _rollouts(order)
        while sent(next(played)):
            pass
    except Exception as error:
        sent(str(error) if type(error).__module__.startswith("kvision.") else traceback.format_exc())


def _rollouts(order: Order) -> Any:
    """Rollouts `[T, n, ...]` by name, with `version` of the weights that they were played with."""
    import tensorflow as tf

    from kvision.core.narrow import narrow

    recipe = narrow(order.system.Options, order.system.Loss, order.source).model_validate(order.recipe)
    agent = order.system(recipe, order.info)
    agent.networks = agent.build()
    agent.collector.steps.assign(order.steps)
    play = tf.function(lambda: agent.collector.rollout(agent.explore, agent.rollout_length))
    known = -1
    while True:
        with order.version.get_lock():
            version = order.version.value
            flat = np.frombuffer(order.weights, np.float32).copy() if version != known else None
        if flat is not None:
            put(agent.net.weights, flat)
            known = version
        try:
            rollout = {name: value.numpy() for name, value in play().items()}
        except tf.errors.OpError as error:
            raise (agent.blame() or error) from error
        yield {**rollout, "version": np.array(known)}


def put(variables: Any, flat: np.ndarray) -> None:
    """Writes weights that stand one after the other into the variables."""
    ends = np.cumsum([int(np.prod(variable.shape)) for variable in variables])
    for variable, values in zip(variables, np.split(flat, ends[:-1]), strict=True):
        variable.assign(values.reshape(variable.shape))
