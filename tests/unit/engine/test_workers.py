"""A process alone is a crew of one; several are in tests/numerics/test_same_mathematics.py."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import RunError
from kvision.engine import strategy
from kvision.engine.workers import Workers


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_one_process_is_the_chief_and_believes_itself(devices: str) -> None:
    workers = Workers(strategy.make(devices))
    assert (workers.count, workers.index, workers.chief, workers.addresses) == (1, 0, True, ())
    assert workers.each(7) == [7]
    assert workers.told({"a": [1, None]}) == {"a": [1, None]}
    array = np.arange(3.0)
    assert workers.shared({"x": array})["x"] is array


def crew(count: int, index: int) -> Workers:
    """One of several."""
    found = Workers(strategy.make("cpu"))
    found.addresses, found.index = tuple(f"host{number}:2222" for number in range(count)), index
    return found


def test_texts_of_all_stand_one_below_the_other_in_their_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two references of each picture, of two workers that have two pictures and one: the second one's are what it broadcasts."""
    workers, others = crew(2, 0), ["ein Kreis", "é"]
    monkeypatch.setattr(workers, "_broadcast", lambda data, worker=0: data if worker == 0 else json.dumps(others).encode())
    mine = np.array([[b"a circle", b""], [b"a star", b"two"]], object)
    expected = [["a circle", ""], ["a star", "two"], others]
    assert [[text.decode() for text in row] for row in workers.texts(mine).tolist()] == expected
    assert workers.texts(mine[0]).tolist() == [*mine[0], *(text.encode() for text in others)]


def raise_in(workers: Workers, error: Exception) -> None:
    with workers.watched():
        raise error


@pytest.mark.parametrize(
    ("error", "who"),
    [
        # As they came when a worker was killed, and when one was stopped.
        (tf.errors.UnavailableError(None, None, "Connection reset by peer from /job:worker/replica:0/task:1 while calling"), "worker 1 (host1:2222)"),
        (tf.errors.AbortedError(None, None, "from /job:worker/task:1: no heartbeats: /job:worker/replica:0/task:2"), "worker 2 (host2:2222)"),
        (tf.errors.CancelledError(None, None, "cancelled"), "another worker"),
    ],
)  # fmt: skip
def test_a_lost_worker_is_named(error: Exception, who: str) -> None:
    message = f"worker 0: {who} is lost: .*; the last checkpoint is whole: start all workers again with --resume"
    with pytest.raises(RunError, match=message.replace("(", r"\(").replace(")", r"\)")):
        raise_in(crew(3, 0), error)


def test_other_faults_are_not_put_on_the_others() -> None:
    for workers, error in ((crew(1, 0), tf.errors.UnavailableError(None, None, "")), (crew(2, 0), tf.errors.InvalidArgumentError(None, None, ""))):
        with pytest.raises(type(error)):
            raise_in(workers, error)
