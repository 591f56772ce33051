"""How far a command has got, on the standard error: a bar on a terminal, a plain line every 10 s elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from kvision.core import words

if TYPE_CHECKING:
    from types import TracebackType

LINE_EVERY_S = 10.0


class Count:
    """Counts up to a total, in a `with` block.

    Args:
        what: What is done, such as `predicting`.
        total: How many there are.
    """

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        console = Console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal and not console.is_dumb_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=console, transient=True)
            self._task = self._bar.add_task(what, total=total)
        self._began = self._told = time.monotonic()

    def __enter__(self) -> Count:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def of(self, done: int, total: int) -> None:
        """So many are done, of a total that was not known before."""
        self._total = total
        if self._bar is not None:
            self._bar.update(self._task, total=total)
        self.at(done)

    def at(self, done: int) -> None:
        """So many are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done)
            return
        now = time.monotonic()
        if now - self._told >= LINE_EVERY_S:
            self._told = now
            left = words.duration((now - self._began) / max(done, 1) * (self._total - done))
            print(f"{self._what} {done}/{self._total}  left {left}", file=sys.stderr, flush=True)
