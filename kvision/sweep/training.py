"""One trial's training: a process of its own, watched through the files that it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from kvision.engine import journal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kvision.engine.events import Row

GRACE_S = 120.0
"""How long a training may take to save and end before it is killed."""
TAIL_BYTES = 4_000
TAIL_LINES = 8


class Training:
    """A running `kvision train`.

    It has a session of its own, so that Ctrl-C reaches the sweep alone, which then ends its trainings in order.

    Args:
        command: Words of the command line, the program's path first.
        run_dir: The run folder that it writes.
        log: Where its output goes; what is there stays.

    Raises:
        OSError: If the program can't be started or the log can't be written.
    """

    def __init__(self, command: Sequence[str], run_dir: Path, log: Path) -> None:
        self._metrics = run_dir / journal.METRICS
        self._log = log
        self._seen = 0
        self._size = -1
        self._asked_s: float | None = None
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            tether = [sys.executable, "-m", "kvision.core.tether", str(os.getpid())]
            self._process = subprocess.Popen(
                [*tether, *command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        self.began_s = time.monotonic()

    @property
    def code(self) -> int | None:
        """Its exit code; none while it runs."""
        return self._process.poll()

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self.began_s

    def new_rows(self) -> list[Row]:
        """The rows of metrics.csv that were not given before."""
        size = self._metrics.stat().st_size if self._metrics.exists() else -1
        if size == self._size:
            return []
        self._size = size
        try:
            rows = journal.read_rows(self._metrics)
        except ValueError:  # damaged: this trial will have no result, and the others go on
            return []
        new, self._seen = rows[self._seen :], max(self._seen, len(rows))
        return list(new)

    def stop(self) -> None:
        """Asks it to save and end; kills it when it has not done so for two minutes. Does not wait."""
        now = time.monotonic()
        if self.code is not None:
            return
        if self._asked_s is None:
            self._asked_s = now
            self._process.send_signal(signal.SIGTERM)
        elif now - self._asked_s > GRACE_S:
            self._process.kill()

    def tail(self) -> str:
        """The last lines of its output."""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
        return "\n".join([line for line in text.splitlines() if line.strip()][-TAIL_LINES:])
