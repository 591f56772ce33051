"""Merges requests of one signature into batches (shared_batch_scheduler.h, batching_session.cc), computed by a few threads.

A thread that is free takes what waits, the oldest signature first; so a lone request is computed at once, and under load batches fill by
themselves. Two things differ from TF Serving, both so that a request never suffers from its neighbours: only equal shapes are merged, and if a
merged batch fails, each of its requests is computed alone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from kvision_export.serving.server.status import Code, StatusError, invalid, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    from kvision_export.serving.server.config import Batching

    Arrays = Mapping[str, np.ndarray]
    Compute = Callable[[Arrays], Arrays]


@dataclass
class _Task:
    """A request that waits; without `rows` it is not to be merged."""

    inputs: Arrays
    rows: int | None
    answer: Future[Arrays] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)


@dataclass
class _Queue:
    """The requests that may be merged with each other."""

    compute: Compute
    rules: Batching
    tasks: deque[_Task] = field(default_factory=deque)

    def batches(self) -> int:
        """How many batches wait."""
        return -(-sum(task.rows or self.rules.max_batch_size for task in self.tasks) // self.rules.max_batch_size)

    def due(self) -> float:
        """When it may be computed, on the monotonic clock."""
        full = self.tasks[0].rows is None or sum(task.rows or 0 for task in self.tasks) >= self.rules.max_batch_size
        return self.tasks[0].since + (0.0 if full else self.rules.batch_timeout_micros / 1e6)

    def take(self) -> list[_Task]:
        """The next batch."""
        taken = [self.tasks.popleft()]
        room = self.rules.max_batch_size - (taken[0].rows or self.rules.max_batch_size)
        while self.tasks and 0 < (self.tasks[0].rows or 0) <= room:
            room -= self.tasks[0].rows or 0
            taken.append(self.tasks.popleft())
        return taken


class Batcher:
    """The threads that compute, and the queues before them."""

    def __init__(self, num_threads: int) -> None:
        """Starts the threads.

        Args:
            num_threads: Batches computed at a time.
        """
        self._queues: dict[Hashable, _Queue] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [threading.Thread(target=self._work, name=f"batch-{index}", daemon=True) for index in range(num_threads)]
        for thread in self._threads:
            thread.start()

    def run(self, key: Hashable, compute: Compute, inputs: Arrays, rows: int | None, rules: Batching, deadline: float) -> Arrays:
        """Computes a request, merged with others if it may be; blocks.

        Args:
            key: Requests of equal keys are merged: model, version, signature, outputs, shapes and dtypes.
            compute: From inputs to outputs, all with the rows as first dimension if `rows` is given.
            inputs: Arrays by name.
            rows: First dimension of every input; None if this request may not be merged.
            rules: How to merge.
            deadline: On the monotonic clock.

        Returns:
            The outputs of these rows.

        Raises:
            StatusError: What `compute` raises; UNAVAILABLE if too much waits; INVALID_ARGUMENT of too large a request; DEADLINE_EXCEEDED.
        """
        if rows is not None and (rows == 0 or rows > rules.max_batch_size):
            if rows and not rules.large_requests:
                raise invalid(f"Task size {rows} is larger than maximum input batch size {rules.max_batch_size}")
            rows = None
        task = _Task(inputs, rows)
        self._submit(key, compute, task, rules)
        try:
            return task.answer.result(max(deadline - time.monotonic(), 0))
        except TimeoutError:
            waiting = task.answer.cancel()
            message = "Run() timeout exceeded while waiting in batching queue" if waiting else "Timed out waiting for notification"
            raise StatusError(Code.DEADLINE_EXCEEDED, message) from None

    def _submit(self, key: Hashable, compute: Compute, task: _Task, rules: Batching) -> None:
        with self._changed:
            if self._closed:
                raise StatusError(Code.UNAVAILABLE, "The server is stopping")
            queue = self._queues.setdefault(key, _Queue(compute, rules))
            if (waiting := queue.batches()) >= rules.max_enqueued_batches:
                raise StatusError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full; "
                    f"currently {waiting} batches enqueued and max_enqueued_batches is {rules.max_enqueued_batches}",
                )
            queue.tasks.append(task)
            self._changed.notify()

    def _work(self) -> None:
        while (batch := self._next()) is not None:
            queue, tasks = batch
            live = [task for task in tasks if task.answer.set_running_or_notify_cancel()]
            if live:
                _compute(queue, live)

    def _next(self) -> tuple[_Queue, list[_Task]] | None:
        """Waits for a batch; None when there will be none."""
        with self._changed:
            while True:
                if self._queues:
                    key, queue = min(self._queues.items(), key=lambda item: item[1].due())
                    wait = queue.due() - time.monotonic()
                    if wait <= 0 or self._closed:
                        tasks = queue.take()
                        if not queue.tasks:
                            del self._queues[key]
                        if self._queues:
                            self._changed.notify()
                        return queue, tasks
                    self._changed.wait(wait)
                elif self._closed:
                    return None
                else:
                    self._changed.wait()

    def close(self, timeout_s: float) -> None:
        """Computes what waits, and ends the threads.

        Args:
            timeout_s: How long that may take.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))


def _compute(queue: _Queue, tasks: list[_Task]) -> None:
    """Answers the tasks, together if that goes well."""
    if len(tasks) > 1 or (queue.rules.allowed_batch_sizes and tasks[0].rows is not None):
        with contextlib.suppress(Exception):  # whose fault it is shows when each is computed alone
            answers = _merged(queue, tasks)
            for task, answer in zip(tasks, answers, strict=True):
                task.answer.set_result(answer)
            return
    for task in tasks:
        try:
            task.answer.set_result(queue.compute(task.inputs))
        except Exception as error:
            task.answer.set_exception(status_of(error))


def _merged(queue: _Queue, tasks: list[_Task]) -> list[Arrays]:
    """The answers of a batch, computed at once."""
    sizes = [task.rows or 0 for task in tasks]
    total = sum(sizes)
    padded = next((size for size in queue.rules.allowed_batch_sizes if size >= total), total)
    inputs = {}
    for name in tasks[0].inputs:
        parts = [task.inputs[name] for task in tasks]
        inputs[name] = np.concatenate([*parts, np.repeat(parts[0][:1], padded - total, axis=0)])
    outputs = queue.compute(inputs)
    if any(value.ndim == 0 or len(value) != padded for value in outputs.values()):
        raise ValueError("the outputs of a batch can't be told apart")
    ends = np.cumsum(sizes).tolist()
    return [{name: value[end - size : end] for name, value in outputs.items()} for end, size in zip(ends, sizes, strict=True)]
