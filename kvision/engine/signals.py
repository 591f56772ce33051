"""Ctrl-C and SIGTERM: the first asks the loop to save and stop, the second ends the process at once. No TensorFlow here."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType, TracebackType

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Catches SIGINT and SIGTERM while it is entered.

    Outside of the main thread, where Python forbids signal handlers, it catches nothing.

    Attributes:
        signal: The signal that came; none so far.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self.signal: signal.Signals | None = None

    @property
    def name(self) -> str:
        """The signal's name, such as `SIGINT`; `stopped` as long as none came."""
        return self.signal.name if self.signal is not None else "stopped"

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in CAUGHT:
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        for each in CAUGHT:  # the kernel's own answer, so that the second one works even in the middle of a long graph call
            signal.signal(each, signal.SIG_DFL)
