"""How far a sweep has got: a live table of the running trials on a terminal, plain lines elsewhere, or JSON on the standard output."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from kvision.core import words
from kvision.core.jsonable import jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.sweep.trials import Trial

WORST = ("crashed", "diverged")


class Progress:
    """Plain lines on the standard error: one when a trial begins, one when it ends.

    Args:
        metric: What counts.
        total: How many trials the study shall have.
    """

    def __init__(self, metric: str, total: int) -> None:
        self._metric, self._total = metric, total

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        """Gives the terminal back."""

    def began(self, number: int, values: Mapping[str, Any], folder: str) -> None:
        """A trial begins, or goes on."""
        self.say(f"trial {number} begins: {listed(values)}")

    def epoch(self, number: int, epoch: int, value: float) -> None:
        """An epoch of a trial has ended."""

    def ended(self, trial: Trial, *, best: bool, done: int, left_s: float | None) -> None:
        """A trial has ended.

        Args:
            trial: The trial.
            best: Whether it is the best one so far.
            done: How many trials have ended.
            left_s: About how long the others will take, seconds; none: can't be told yet.
        """
        self.say(self._sentence(trial, best, done, left_s), "bold" if best else "red" if trial.state in WORST else "")

    def say(self, line: str, style: str = "") -> None:
        """A line that stays."""
        print(line, file=sys.stderr, flush=True)

    def _sentence(self, trial: Trial, best: bool, done: int, left_s: float | None) -> str:
        result = f": {self._metric} {words.number(trial.result)}{' (best)' if best else ''}" if trial.result is not None else ""
        found = [f"trial {trial.number} {trial.state}{result}"]
        if trial.seconds is not None:
            found.append(f"{words.counted(trial.epochs, 'epoch')} in {words.duration(trial.seconds)}")
        message = f"\n{trial.message}" if trial.message else ""
        return f"{', '.join(found)}; {self._standing(done, left_s)}{message}"

    def _standing(self, done: int, left_s: float | None) -> str:
        left = f", left {words.duration(left_s)}" if left_s is not None and done < self._total else ""
        return f"{done} of {self._total}{left}"


class JsonLines(Progress):
    """One JSON object a line on the standard output."""

    def began(self, number: int, values: Mapping[str, Any], folder: str) -> None:
        """A trial begins, or goes on."""
        self._write("trial_began", number=number, values=values, folder=folder)

    def epoch(self, number: int, epoch: int, value: float) -> None:
        """An epoch of a trial has ended."""
        self._write("epoch_ended", number=number, epoch=epoch, value=value)

    def ended(self, trial: Trial, *, best: bool, done: int, left_s: float | None) -> None:
        """A trial has ended."""
        self._write("trial_ended", **dataclasses.asdict(trial), best=best, done=done, total=self._total, left_s=left_s)

    def _write(self, event: str, **facts: Any) -> None:
        print(json.dumps({"event": event, **jsonable(facts)}), flush=True)


class LivePanel(Progress):
    """A table of the running trials that is drawn anew in place; the lines of ended trials stay above it."""

    def __init__(self, metric: str, total: int, console: Console) -> None:
        super().__init__(metric, total)
        self._console = console
        self._running: dict[int, list[str]] = {}
        self._title = ""
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=2, transient=True)

    def __enter__(self) -> LivePanel:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Gives the terminal back."""
        self._live.stop()

    def began(self, number: int, values: Mapping[str, Any], folder: str) -> None:
        """A trial begins, or goes on."""
        self._running[number] = ["—", "—", listed(values)]

    def epoch(self, number: int, epoch: int, value: float) -> None:
        """An epoch of a trial has ended."""
        self._running[number][:2] = [str(epoch), words.number(value)]

    def ended(self, trial: Trial, *, best: bool, done: int, left_s: float | None) -> None:
        """A trial has ended."""
        self._running.pop(trial.number, None)
        self._title = self._standing(done, left_s)
        super().ended(trial, best=best, done=done, left_s=left_s)

    def say(self, line: str, style: str = "") -> None:
        """A line that stays."""
        self._console.print(Text(line, style=style))

    def _draw(self) -> Table:
        table = Table("trial", "epoch", self._metric, "values", box=None, header_style="dim", title=self._title, title_justify="left")
        for number, cells in sorted(self._running.items()):
            table.add_row(str(number), *cells)
        return table


def make(metric: str, total: int, *, as_json: bool = False) -> Progress:
    """Progress as fits where the output goes.

    Args:
        metric: What counts.
        total: How many trials the study shall have.
        as_json: JSON lines, for machines.

    Returns:
        A context manager that is told what happens.
    """
    if as_json:
        return JsonLines(metric, total)
    console = Console(stderr=True)
    return LivePanel(metric, total, console) if console.is_terminal and not console.is_dumb_terminal else Progress(metric, total)


def listed(values: Mapping[str, Any]) -> str:
    """The values of a trial in one line."""
    return "  ".join(f"{path}={words.number(value)}" for path, value in values.items())
