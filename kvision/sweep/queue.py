"""Trainings that are known beforehand, each in a process of its own, some at a time; what is done is never done again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kvision.core.errors import RunError
from kvision.engine.journal import SUMMARY
from kvision.engine.runfolder import RESOLVED, read_json, recipe_hash
from kvision.sweep.training import Training

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from kvision.engine.signals import StopRequest

POLL_S = 0.5
"""Seconds between two looks at the trainings."""
REPORT = "report.html"
"""The last file that a training writes, so that it says that all the others are there."""


@dataclass(frozen=True)
class Task:
    """A training.

    Attributes:
        name: Of its run folder.
        command: Words of the command line; the same command goes on where a run has stopped.
        values: The resolved recipe, nested.
    """

    name: str
    command: Sequence[str]
    values: Mapping[str, Any]


class Listener(Protocol):
    """Who is told how far it is."""

    def began(self, name: str) -> None:
        """A training begins, or goes on."""

    def ended(self, name: str, code: int, seconds: float, tail: str) -> None:
        """A training has ended, with the exit code and the last lines of its output."""


def is_done(folder: Path, task: Task) -> bool:
    """Whether a training has been done before.

    Args:
        folder: That of the run folders.
        task: The training.

    Returns:
        Whether its run is complete.

    Raises:
        RunError: If its run folder holds a run of another recipe.
    """
    run_dir = folder / task.name
    if not (run_dir / RESOLVED).exists():
        return False
    if recipe_hash(read_json(run_dir / RESOLVED)["values"]) != recipe_hash(task.values):
        raise RunError(f"{run_dir}: was trained with another recipe or other options than now; put them back, or choose another folder with --out")
    return (run_dir / REPORT).exists() and read_json(run_dir / SUMMARY)["status"] == "finished"


def work(folder: Path, tasks: Sequence[Task], jobs: int, stop: StopRequest, listener: Listener) -> None:
    """Trains what is not done yet, in the order given, until all has ended or somebody asks to stop; then what is training saves and ends.

    Args:
        folder: That of the run folders.
        tasks: The trainings.
        jobs: How many at a time.
        stop: Whether somebody pressed Ctrl-C.
        listener: Who is told.

    Raises:
        RunError: If a run folder holds a run of another recipe; nothing is trained then.
        OSError: If nothing can be written.
    """
    waiting = [task for task in tasks if not is_done(folder, task)]
    running: dict[str, Training] = {}
    try:
        while (waiting and stop.signal is None) or running:
            while waiting and len(running) < jobs and stop.signal is None:
                task = waiting.pop(0)
                running[task.name] = Training(task.command, folder / task.name, folder / "logs" / f"{task.name}.log")
                listener.began(task.name)
            time.sleep(POLL_S)
            for name, training in list(running.items()):
                if stop.signal is not None:
                    training.stop()
                if (code := training.code) is not None:
                    del running[name]
                    listener.ended(name, code, training.seconds, training.tail())
    finally:
        for training in running.values():
            training.stop()
