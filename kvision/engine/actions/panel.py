"""Progress of a run, on the standard error: a live panel on a terminal, a plain line now and then elsewhere, or JSON on the standard output.

The terminal's width and colours are rich's business: it respects COLUMNS, NO_COLOR and TERM=dumb.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import time
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel as Box
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kvision.core import words
from kvision.core.jsonable import jsonable
from kvision.engine import events

if TYPE_CHECKING:
    from collections.abc import Callable

LINE_EVERY_S = 10.0
_GOOD = {"finished": "green", "interrupted": "yellow"}


def make(*, as_json: bool = False) -> events.Action:
    """The action that shows progress, as fits where the output goes.

    Args:
        as_json: One JSON object a line on the standard output, for machines.

    Returns:
        `JsonLines`, `Live` on a terminal, or `Lines`.
    """
    if as_json:
        return JsonLines(sys.stdout)
    console = Console(stderr=True)
    return LivePanel(console) if console.is_terminal and not console.is_dumb_terminal else Lines(sys.stderr)


@dataclasses.dataclass
class _State:
    """What the events have said so far."""

    started: events.Started | None = None
    progress: events.Progress | None = None
    evaluating: events.EvaluationStarted | None = None
    last: float = math.nan
    best: float = math.nan
    warned: set[str] = dataclasses.field(default_factory=set)

    def take(self, event: events.Event) -> None:
        if isinstance(event, events.Started):
            self.started = event
        elif isinstance(event, events.Progress):
            self.progress, self.evaluating = event, None
        elif isinstance(event, events.EvaluationStarted):
            self.evaluating = event
        elif isinstance(event, events.EpochEnded):
            self.evaluating = None
            self.last = float(event.row.get(self.monitor, math.nan))
            self.best = self.last if event.best else self.best

    @property
    def monitor(self) -> str:
        return self.started.monitor if self.started else ""

    @property
    def unit(self) -> str:
        """Of speeds, such as `images/s`."""
        return f"{self.started.unit if self.started else 'image'}s/s"

    def is_new(self, warning: events.Warned) -> bool:
        """Whether the warning has not been shown yet; it counts as shown from now on."""
        new = warning.message not in self.warned
        self.warned.add(warning.message)
        return new


class JsonLines(events.Action):
    """Every event as one JSON object a line, flushed at once; numbers that are not finite become null, as JSON has none."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def on_event(self, event: events.Event) -> None:
        """Writes the event."""
        print(json.dumps(jsonable(events.to_json(event)), allow_nan=False), file=self._stream, flush=True)


class Lines(events.Action):
    """Plain lines without control characters: at the start, every 10 s, at each epoch's end, at the end."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._state = _State()
        self._next_s = -math.inf

    def on_event(self, event: events.Event) -> None:
        """Writes a line if it is time for one."""
        self._state.take(event)
        if isinstance(event, events.Progress):
            if self._clock() < self._next_s:
                return
            self._say(progress_line(event, self._state.monitor, self._state.best, self._state.unit))
        elif isinstance(event, events.Warned):
            if self._state.is_new(event):
                self._say(f"warning: {event.message}")
        elif isinstance(event, events.Started | events.EpochEnded | events.Finished):
            for line in _lines(event, self._state.monitor, self._state.unit):
                self._say(line)

    def _say(self, line: str) -> None:
        self._next_s = self._clock() + LINE_EVERY_S
        print(line, file=self._stream, flush=True)


class LivePanel(events.Action):
    """One panel that is drawn anew in place; the lines of ended epochs and warnings stay above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state = _State()
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=3)

    def on_event(self, event: events.Event) -> None:
        """Keeps what the panel shows; the panel's own thread draws it."""
        self._state.take(event)
        if isinstance(event, events.Started):
            self._print(_lines(event, "", ""), "dim")
            self._live.start()
        elif isinstance(event, events.Warned):
            if self._state.is_new(event):
                self._print([f"warning: {event.message}"], "yellow")
        elif isinstance(event, events.EpochEnded):
            self._print(_lines(event, self._state.monitor, self._state.unit), "bold" if event.best else "")
        elif isinstance(event, events.Finished):
            self.close()
            self._print(_lines(event, self._state.monitor, self._state.unit), _GOOD.get(event.status, "red"))

    def close(self) -> None:
        """Gives the terminal back."""
        self._live.stop()

    def _print(self, lines: list[str], style: str) -> None:
        for line in lines:
            self._console.print(Text(line, style=style))

    def _draw(self) -> Box | Text:
        started, progress = self._state.started, self._state.progress
        if started is None:
            return Text("")
        if progress is None:
            return Box(Text("building the graph …", style="dim"), title=started.system, title_align="left", border_style="blue")
        before = (progress.epoch - 1) * started.steps_per_epoch
        in_epoch, per_epoch = progress.step - before, min(started.steps_per_epoch, progress.total - before)
        bars = Table.grid(padding=(0, 1), expand=True)
        bars.add_column(no_wrap=True)
        bars.add_column(ratio=1)
        bars.add_column(no_wrap=True, justify="right")
        bars.add_row(f"epoch {progress.epoch}/{started.epochs}", ProgressBar(per_epoch, in_epoch), f"{in_epoch}/{per_epoch}")
        bars.add_row("run", ProgressBar(progress.total, progress.step), f"{progress.step}/{progress.total}")
        return Box(Group(bars, self._figures(progress)), title=started.system, title_align="left", border_style="blue")

    def _figures(self, progress: events.Progress) -> Table:
        metric = self._state.monitor.removeprefix("val/")
        evaluating = self._state.evaluating
        pairs = [
            *((name.replace("_", " "), words.number(value)) for name, value in progress.means.items()),
            (metric, f"{words.number(self._state.last)} (best {words.number(self._state.best)})"),
            ("rate", f"{progress.lr:.3g}"),
            (self._state.unit, words.number(round(progress.images_per_s, 1))),
            ("waiting", words.percent(progress.wait_share)),
            ("memory", words.size(progress.memory_mb * 2**20)),
            ("left", "evaluating" if evaluating else words.duration(progress.eta_s)),
        ]
        columns = max(1, min(4, (self._console.width - 4) // 24))
        grid = Table.grid(padding=(0, 2))
        for start in range(0, len(pairs), columns):
            grid.add_row(*(Text.assemble((f"{label} ", "dim"), (value, "bold")) for label, value in pairs[start : start + columns]))
        return grid


def progress_line(event: events.Progress, monitor: str, best: float, unit: str) -> str:
    """One line that says where the run is."""
    found = [
        f"epoch {event.epoch}",
        f"step {event.step}/{event.total} ({100 * event.step // max(event.total, 1)} %)",
        *(f"{name.replace('_', ' ')} {words.number(value)}" for name, value in event.means.items()),
        *([f"best {monitor} {words.number(best)}"] if not math.isnan(best) else []),
        f"lr {event.lr:.3g}",
        f"{event.images_per_s:.1f} {unit}",
        f"waiting {words.percent(event.wait_share)}",
        f"memory {words.size(event.memory_mb * 2**20)}",
        f"left {words.duration(event.eta_s)}",
    ]
    return "  ".join(found)


def _lines(event: events.Started | events.EpochEnded | events.Finished, monitor: str, unit: str) -> list[str]:
    """The lines that stay, of an event that both kinds of output show alike."""
    if isinstance(event, events.Started):
        each = " on each worker" if event.workers > 1 else ""
        what = f"{event.system}: {words.number(event.parameters)} parameters, {event.precision}, {', '.join(event.devices)}{each}"
        epochs = f"{words.counted(event.epochs, 'epoch')} of {words.counted(event.steps_per_epoch, 'step')}"
        length = epochs if event.total == event.epochs * event.steps_per_epoch else words.counted(event.total, "step")
        spread = f"{words.counted(event.replicas, 'replica')} on {words.counted(event.workers, 'worker')}"
        share = f"batch {event.batch} = {event.batch // event.replicas} a replica, gradients summed by {event.collective}"
        where = f"{spread}, {share}" if event.replicas > 1 else f"{spread}, batch {event.batch}"
        how = f"{length}, into {event.run_dir}"
        return [what, where, f"{how}; going on from step {event.step}" if event.step else how]
    if isinstance(event, events.EpochEnded):
        value = f"  {monitor} {words.number(event.row[monitor])}{' (best)' if event.best else ''}" if monitor in event.row else ""
        loss = words.number(event.row.get("train/loss"))
        return [f"epoch {event.epoch} ended  loss {loss}{value}  {words.duration(event.seconds)}  {event.images_per_s:.1f} {unit}"]
    speed = f"{event.images_per_s:.1f} {unit}, {words.percent(event.wait_share)} of the time waiting for data"
    done = f"{words.counted(event.step, 'step')}, {words.counted(event.epoch, 'epoch')} in {words.duration(event.seconds)}"
    found = [f"{event.status}: {done} ({speed})"]
    if event.best and monitor in event.best:
        found.append(f"best: {monitor} {words.number(event.best[monitor])} at epoch {int(event.best.get('epoch', 0))}")
    return [*found, *([event.message] if event.message and event.status != "diverged" else [])]  # a divergence is raised as an error, too
