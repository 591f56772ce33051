"""The run's diary: metrics.csv, events.jsonl, TensorBoard events and summary.json.

metrics.csv holds only what the recipe, the seed and the step determine, no wall-clock, so that a run killed and resumed has the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import time
from typing import IO, TYPE_CHECKING, Any

from kvision.core.disk import replace, writing
from kvision.core.jsonable import jsonable
from kvision.engine.events import Action, CheckpointSaved, EpochEnded, Event, Finished, Progress, Started, to_json
from kvision.engine.runfolder import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

METRICS = "metrics.csv"
EVENTS = "events.jsonl"
SUMMARY = "summary.json"
TENSORBOARD = "tensorboard"
PROGRESS_EVERY_S = 10.0
"""Seconds between two progress lines of events.jsonl."""


class Journal(Action):
    """Keeps the diary of one run.

    Args:
        run_dir: The run folder.
        epoch: Epochs that the checkpoint being resumed has behind it, 0 for a fresh run: rows of later epochs are cut off, for they will
            be written again.
        tensorboard: Whether to write TensorBoard event files.

    Raises:
        RunError: If a file can't be written.
    """

    def __init__(self, run_dir: Path, *, epoch: int = 0, tensorboard: bool = True) -> None:
        self._run_dir = run_dir
        self._tensorboard = tensorboard
        self._writer: Any = None
        self._last_progress = -math.inf
        self._summary: dict[str, Any] = {}
        with writing(run_dir, METRICS):
            self.rows = _truncate_rows(run_dir / METRICS, epoch)
            _drop_torn_line(run_dir / EVENTS)
            self._events: IO[str] = (run_dir / EVENTS).open("a", encoding="utf-8")

    def on_event(self, event: Event) -> None:
        """Writes down the event.

        Args:
            event: What happened.

        Raises:
            RunError: If the disk is full or the folder can't be written.
        """
        with writing(self._run_dir, "the journal"):
            if isinstance(event, EpochEnded):
                self._append_row(event.row)
            if isinstance(event, EpochEnded | Progress):
                self._scalars(event)
            self._append_event(event)
            self._update_summary(event)

    def close(self) -> None:
        """Closes the files."""
        self._events.close()
        if self._writer is not None:
            self._writer.close()

    def _append_row(self, row: Mapping[str, float | int]) -> None:
        path = self._run_dir / METRICS
        line = io.StringIO()
        writer = csv.writer(line, lineterminator="\n")
        if not self.rows:
            writer.writerow(row)
        writer.writerow([_exact(value) for value in row.values()])
        with path.open("a", encoding="utf-8") as file:
            file.write(line.getvalue())
            file.flush()
            os.fsync(file.fileno())  # the checkpoint that counts on this row comes next
        self.rows.append(dict(row))

    def _append_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            now = time.monotonic()  # the clock on the wall may be set back
            if now - self._last_progress < PROGRESS_EVERY_S:
                return
            self._last_progress = now
        self._events.write(json.dumps({"time": round(time.time(), 3), **jsonable(to_json(event))}) + "\n")
        self._events.flush()

    def _scalars(self, event: EpochEnded | Progress) -> None:
        if not self._tensorboard:
            return
        import tensorflow as tf

        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self._run_dir / TENSORBOARD))
        if isinstance(event, EpochEnded):
            values = {name: value for name, value in event.row.items() if name not in ("epoch", "step")}
        else:
            values = {
                **{f"running/{name}": value for name, value in event.means.items()},
                "running/lr": event.lr,
                "running/images_per_s": event.images_per_s,
                "running/wait_share": event.wait_share,
            }
        with self._writer.as_default(step=event.step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        if isinstance(event, EpochEnded):
            self._writer.flush()

    def _update_summary(self, event: Event) -> None:
        if isinstance(event, Started):
            self._summary = {"status": "running", "steps": event.step, "epochs": len(self.rows), "total": event.total, "best": None}
        elif isinstance(event, EpochEnded):
            self._summary |= {"steps": event.step, "epochs": event.epoch, "images_per_s": event.images_per_s, "wait_share": event.wait_share}
            self._summary |= {"best": dict(event.row)} if event.best else {}
        elif isinstance(event, CheckpointSaved):
            self._summary |= {"checkpoint": event.name}
        elif isinstance(event, Finished):
            self._summary |= {"status": event.status, "steps": event.step, "epochs": event.epoch, "best": event.best, "seconds": event.seconds}
            self._summary |= {"images_per_s": event.images_per_s, "wait_share": event.wait_share, "message": event.message}
        else:
            return
        write_json(self._run_dir / SUMMARY, jsonable(self._summary))


def read_rows(path: Path) -> list[dict[str, float | int]]:
    """The rows of a metrics.csv, numbers as numbers; a torn last line is left out.

    Args:
        path: The file; when it is missing there are no rows.

    Returns:
        One dictionary a row.
    """
    if not path.exists():
        return []
    text = path.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    return [{name: _number(value) for name, value in row.items()} for row in csv.DictReader(io.StringIO(whole))]


def _truncate_rows(path: Path, epoch: int) -> list[dict[str, float | int]]:
    """Cuts off the rows beyond `epoch`; the bytes of the others stay as they are."""
    rows = [row for row in read_rows(path) if row["epoch"] <= epoch]
    if path.exists():
        lines = path.read_text("utf-8").splitlines(keepends=True)
        replace(path, "".join(lines[: len(rows) + 1] if rows else []).encode())
    return rows


def _drop_torn_line(path: Path) -> None:
    if path.exists():
        data = path.read_bytes()
        if not data.endswith(b"\n"):
            replace(path, data[: data.rfind(b"\n") + 1])


def _exact(value: float | int) -> str:
    return repr(value) if isinstance(value, int) else repr(float(value))


def _number(text: str) -> float | int:
    try:
        return int(text)
    except ValueError:
        return float(text)
