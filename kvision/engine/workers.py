"""What the processes of a training tell each other beside gradients: decisions that all must take alike, and what the chief has read.

Every worker must ask the same questions in the same order, for each is a meeting of all.
"""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kvision.core.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHUNK = 2**22
"""Numbers of four bytes in a message."""
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)
"""How TensorFlow says that another process is gone, hangs, or has been started anew."""


class Workers:
    """The workers of a strategy; of any but MultiWorkerMirrored it is this process alone, and asking costs nothing.

    Args:
        strategy: Of `kvision.engine.strategy.make`.

    Attributes:
        addresses: `host:port` of each, the chief's first; empty: there is only this process.
        index: Which of them this process is.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self._strategy = strategy
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        self.addresses: tuple[str, ...] = tuple(strategy.cluster_resolver.cluster_spec().job_tasks("worker")) if several else ()
        self.index: int = strategy.cluster_resolver.task_id if several else 0

    @property
    def count(self) -> int:
        """How many there are."""
        return max(1, len(self.addresses))

    @property
    def chief(self) -> bool:
        """Whether this is the one that writes run folder, journal and checkpoints."""
        return self.index == 0

    def each(self, value: int) -> list[int]:
        """What every worker gives, in their order.

        Args:
            value: This worker's, an int32.

        Returns:
            All of theirs.
        """
        if self.count == 1:
            return [value]
        found: list[int] = self._sum(np.where(np.arange(self.count) == self.index, value, 0)).tolist()
        return found

    def told(self, value: Any = None) -> Any:
        """What the chief says.

        Args:
            value: JSON values; only the chief's counts.

        Returns:
            The chief's.
        """
        return value if self.count == 1 else json.loads(self._broadcast(json.dumps(value).encode()))

    def texts(self, values: np.ndarray) -> np.ndarray:
        """The texts of all workers, one after the other, in their order.

        Args:
            values: This worker's, UTF-8 bytes `[b, ...]`.

        Returns:
            All of theirs `[B, ...]`.
        """
        if self.count == 1:
            return values
        mine = json.dumps([text.decode() for text in values.ravel().tolist()]).encode()
        found = [text.encode() for worker in range(self.count) for text in json.loads(self._broadcast(mine, worker))]
        return np.array(found, object).reshape(-1, *values.shape[1:])

    def shared(self, arrays: Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray]:
        """The chief's arrays.

        Args:
            arrays: Arrays by name; only the chief's count.

        Returns:
            The chief's, to the bit.
        """
        from safetensors import numpy

        if self.count == 1:
            return dict(arrays or {})
        mine = numpy.save({name: np.asarray(value, order="C") for name, value in (arrays or {}).items()}) if self.chief else b""
        return numpy.load(self._broadcast(mine))

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Around whatever the workers do together: says which of them was lost, where TensorFlow says it in its own words.

        Yields:
            Nothing.

        Raises:
            RunError: If another worker was lost.
        """
        try:
            yield
        except _LOST as error:
            if self.count == 1:
                raise
            raise RunError(self._lost(str(error))) from error

    def _lost(self, reason: str) -> str:
        """Who was lost, and what to do."""
        others = [int(number) for number in re.findall(r"/task:(\d+)", reason) if int(number) != self.index and int(number) < self.count]
        who = f"worker {others[-1]} ({self.addresses[others[-1]]})" if others else "another worker"  # those before it reported it
        return (
            f"worker {self.index}: {who} is lost: its process or its machine ended, hangs, or can't be reached; "
            "the last checkpoint is whole: start all workers again with --resume"
        )

    def _broadcast(self, data: bytes, worker: int = 0) -> bytes:
        """The bytes of one of them, by sums of whole numbers, of which the others give zeros."""
        length = self.each(len(data))[worker]
        numbers = np.zeros(-(-length // 4), np.int32)
        if self.index == worker:
            numbers.view(np.uint8)[:length] = np.frombuffer(data, np.uint8)
        parts = [self._sum(numbers[start : start + CHUNK]) for start in range(0, len(numbers), CHUNK)]
        return np.concatenate([np.zeros(0, np.int32), *parts]).tobytes()[:length]

    def _sum(self, values: np.ndarray) -> np.ndarray:
        """The sum over the workers, int32 `[n]`."""
        with self.watched():
            total: np.ndarray = self._strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(values, tf.int32), axis=None).numpy()
        return total
