"""Checkpoints written beside the training: the state is copied at once, the disk is left to another thread."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from kvision.engine.events import CheckpointSaved

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from kvision.engine.checkpoint import Checkpoints


class Saver:
    """Writes one checkpoint at a time, in order.

    Args:
        checkpoints: Where to.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.checkpoints = checkpoints
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[CheckpointSaved] | None = None
        self.last_s = time.monotonic()
        """When the last checkpoint was begun, on the monotonic clock; at first, when this object was made."""

    def submit(self, state: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> CheckpointSaved | None:
        """Begins to write a checkpoint, after the one being written.

        Args:
            state: Arrays by name, which nobody changes any more.
            meta: As for `Checkpoints.save`.

        Returns:
            The checkpoint before it, if that was still being written.

        Raises:
            RunError: If the one before it could not be written.
        """
        before, began = self.wait(), time.monotonic()

        def write() -> CheckpointSaved:
            saved = self.checkpoints.save(state, meta)
            return CheckpointSaved(saved.step, saved.name, time.monotonic() - began, meta["reason"])

        self._pending = self._thread.submit(write)
        self.last_s = began
        return before

    def poll(self) -> CheckpointSaved | None:
        """As `wait`, but without waiting: none as long as it is being written."""
        return self.wait() if self._pending is not None and self._pending.done() else None

    def wait(self) -> CheckpointSaved | None:
        """Waits until the checkpoint is on the disk.

        Returns:
            What was written; none if nothing was under way.

        Raises:
            RunError: If it could not be written.
        """
        pending, self._pending = self._pending, None
        return None if pending is None else pending.result()

    def close(self) -> None:
        """Ends the thread, after what it is doing."""
        self._thread.shutdown()
