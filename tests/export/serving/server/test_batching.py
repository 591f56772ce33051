"""Merging requests: what is merged, what is not, and that nobody pays for a neighbour."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kvision_export.serving.server.batching import Batcher
from kvision_export.serving.server.config import Batching
from kvision_export.serving.server.status import Code, StatusError, invalid
from tests.export.serving.server.asking import wait_until

Arrays = Mapping[str, np.ndarray]


class Doubler:
    """y = 2 x; holds each batch until it is let go, and refuses any batch with a negative number in it."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.go = threading.Event()

    def __call__(self, inputs: Arrays) -> Arrays:
        self.sizes.append(len(inputs["x"]))
        assert self.go.wait(5)
        if (inputs["x"] < 0).any():
            raise invalid("negative")
        return {"y": inputs["x"] * 2}


@pytest.fixture
def batcher() -> Iterator[Batcher]:
    made = Batcher(1)
    yield made
    made.close(5)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as made:
        yield made


def asker(batcher: Batcher, compute: Callable[[Arrays], Arrays], rules: Batching) -> Callable[..., np.ndarray]:
    def ask(*values: float, key: str = "k", timeout_s: float = 5, merge: bool = True) -> np.ndarray:
        x = np.array(values, np.float32)
        deadline = time.monotonic() + timeout_s
        return batcher.run(key, compute, {"x": x}, len(x) if merge else None, rules, deadline)["y"]

    return ask


def waiting(batcher: Batcher, key: str = "k") -> int:
    queue = batcher._queues.get(key)
    return len(queue.tasks) if queue else 0


def test_what_waits_is_merged_and_split_again(batcher: Batcher, pool: ThreadPoolExecutor) -> None:
    compute = Doubler()
    ask = asker(batcher, compute, Batching(max_batch_size=4))
    first = pool.submit(ask, 0)
    wait_until(lambda: compute.sizes == [1])
    answers = []
    for index, values in enumerate([(1, 2), (3,), (4, 5)], 1):  # 2 + 1 rows fit in a batch of 4, and 2 more do not
        answers.append(pool.submit(ask, *values))
        wait_until(lambda index=index: waiting(batcher) == index)
    compute.go.set()
    assert [answer.result(5).tolist() for answer in [first, *answers]] == [[0], [2, 4], [6], [8, 10]]
    assert compute.sizes == [1, 3, 2]


def test_a_bad_request_fails_alone(batcher: Batcher, pool: ThreadPoolExecutor) -> None:
    compute = Doubler()
    ask = asker(batcher, compute, Batching())
    first = pool.submit(ask, 0)
    wait_until(lambda: compute.sizes == [1])
    answers = [pool.submit(ask, value) for value in (1, -1, 3)]
    wait_until(lambda: waiting(batcher) == 3)
    compute.go.set()
    assert first.result(5).tolist() == [0]
    assert answers[0].result(5).tolist() == [2]
    assert answers[2].result(5).tolist() == [6]
    with pytest.raises(StatusError, match="negative"):
        answers[1].result(5)
    assert compute.sizes == [1, 3, 1, 1, 1]


def test_outputs_that_are_no_rows_are_computed_alone(batcher: Batcher, pool: ThreadPoolExecutor) -> None:
    go, sizes = threading.Event(), []

    def total(inputs: Arrays) -> Arrays:
        sizes.append(len(inputs["x"]))
        assert go.wait(5)
        return {"y": inputs["x"].sum(keepdims=True)}

    ask = asker(batcher, total, Batching())
    answers = [pool.submit(ask, 0, 0)]
    wait_until(lambda: sizes == [2])
    answers += [pool.submit(ask, value, value) for value in (1, 2)]
    wait_until(lambda: waiting(batcher) == 2)
    go.set()
    assert sorted(answer.result(5).tolist() for answer in answers) == [[0], [2], [4]]


def test_a_batch_that_is_full_does_not_wait(batcher: Batcher, pool: ThreadPoolExecutor) -> None:
    compute = Doubler()
    compute.go.set()
    ask = asker(batcher, compute, Batching(max_batch_size=2, batch_timeout_micros=60_000_000))
    both = [pool.submit(ask, 1), pool.submit(ask, 2)]
    assert [answer.result(5).tolist() for answer in both] == [[2], [4]]
    assert compute.sizes == [2]


def test_a_batch_that_is_not_full_waits_only_so_long(batcher: Batcher) -> None:
    compute = Doubler()
    compute.go.set()
    start = time.monotonic()
    asker(batcher, compute, Batching(batch_timeout_micros=200_000))(3)
    assert 0.2 <= time.monotonic() - start < 5


def test_padding_to_an_allowed_size(batcher: Batcher) -> None:
    compute = Doubler()
    compute.go.set()
    ask = asker(batcher, compute, Batching(max_batch_size=8, allowed_batch_sizes=(4, 8)))
    assert ask(1, 2, 3).tolist() == [2, 4, 6]
    assert compute.sizes == [4]


def test_large_requests_are_computed_as_they_are_or_refused(batcher: Batcher) -> None:
    compute = Doubler()
    compute.go.set()
    assert len(asker(batcher, compute, Batching(max_batch_size=2))(*range(5))) == 5
    with pytest.raises(StatusError, match="Task size 5 is larger than maximum input batch size 2"):
        asker(batcher, compute, Batching(max_batch_size=2, large_requests=False))(*range(5))


def test_a_full_queue_refuses(batcher: Batcher, pool: ThreadPoolExecutor) -> None:
    compute = Doubler()
    ask = asker(batcher, compute, Batching(max_batch_size=1, max_enqueued_batches=2))
    answers = [pool.submit(ask, 0)]
    wait_until(lambda: compute.sizes == [1])
    answers += [pool.submit(ask, value) for value in (1, 2)]
    wait_until(lambda: waiting(batcher) == 2)
    with pytest.raises(StatusError, match="is full; currently 2 batches enqueued and max_enqueued_batches is 2") as error:
        ask(3)
    assert error.value.code is Code.UNAVAILABLE
    compute.go.set()
    assert [answer.result(5).tolist() for answer in answers] == [[0], [2], [4]]


def test_deadlines(batcher: Batcher, pool: ThreadPoolExecutor) -> None:
    compute = Doubler()
    ask = asker(batcher, compute, Batching())
    running = pool.submit(ask, 0, timeout_s=0.2)
    wait_until(lambda: compute.sizes == [1])
    with pytest.raises(StatusError, match="exceeded while waiting in batching queue") as error:
        ask(1, timeout_s=0.05)
    assert error.value.code is Code.DEADLINE_EXCEEDED
    with pytest.raises(StatusError, match="Timed out waiting for notification"):
        running.result(5)
    compute.go.set()
    assert ask(2).tolist() == [4]
    assert compute.sizes == [1, 1]  # what nobody waits for is not computed


def test_one_slow_signature_does_not_stop_another(pool: ThreadPoolExecutor) -> None:
    batcher, slow, quick = Batcher(2), Doubler(), Doubler()
    quick.go.set()
    stuck = pool.submit(asker(batcher, slow, Batching()), 1, key="slow")
    wait_until(lambda: slow.sizes == [1])
    assert asker(batcher, quick, Batching())(2, key="quick").tolist() == [4]
    slow.go.set()
    assert stuck.result(5).tolist() == [2]
    batcher.close(5)


def test_closing_answers_what_waits_and_takes_no_more(pool: ThreadPoolExecutor) -> None:
    batcher, compute = Batcher(1), Doubler()
    ask = asker(batcher, compute, Batching(max_batch_size=1))
    answers = [pool.submit(ask, value) for value in (1, 2, 3)]
    wait_until(lambda: waiting(batcher) == 2)
    closing = pool.submit(batcher.close, 5)
    compute.go.set()
    assert sorted(answer.result(5).tolist() for answer in answers) == [[2], [4], [6]]
    closing.result(5)
    with pytest.raises(StatusError, match="stopping"):
        ask(4)
    assert not batcher._queues
