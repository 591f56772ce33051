"""Ctrl-C, SIGTERM and a closed terminal: the first asks the loop to save and stop, the second ends the process at once. No TensorFlow here."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType, TracebackType

CAUGHT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequest:
    """Catches SIGINT, SIGTERM and SIGHUP while it is entered.

    Outside of the main thread, where Python forbids signal handlers, it catches nothing; nor what is ignored, as SIGHUP is under `nohup`.

    Attributes:
        signal: The signal that came; none so far.
    """

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._terminals: list[int] = []
        self.signal: signal.Signals | None = None

    @property
    def name(self) -> str:
        """The signal's name, such as `SIGINT`; `stopped` as long as none came."""
        return self.signal.name if self.signal is not None else "stopped"

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._terminals = [stream.fileno() for stream in (sys.stdout, sys.stderr) if stream.isatty()]
            for number in CAUGHT:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        for each in self._before:  # the kernel's own answer, so that the second one works even in the middle of a long graph call
            signal.signal(each, signal.SIG_DFL)
        if number == signal.SIGHUP:
            self._without_terminal()

    def _without_terminal(self) -> None:
        """Goes on without the terminal: what was written to it would fail, and its shell passes SIGHUP on after the kernel has."""
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for terminal in self._terminals:
            os.dup2(nowhere, terminal)
        os.close(nowhere)
