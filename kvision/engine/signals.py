"""Ctrl-C and SIGTERM: the first asks the loop to save and stop, the second ends the process at once. No TensorFlow here."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any


class StopRequest:
    """Catches SIGINT and SIGTERM while it is entered.

    Outside of the main thread, where Python forbids signal handlers, it catches nothing.

    Args:
        tell: Called with a sentence for people when the first signal comes.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._before: dict[int, Any] = {}
        self.signal: int | None = None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def exit_code(self) -> int:
        """What the shell expects of a process ended by this signal: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + (self.signal or 0)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number
        self._tell(f"{signal.Signals(number).name}: saving a checkpoint and stopping; once more ends at once, without saving")
