"""Has trackers follow the run, each in a process of its own that training never waits for, but for a few seconds when all is done."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from kvision.core.disk import writing
from kvision.core.errors import RunError, UsageError
from kvision.core.names import did_you_mean
from kvision.engine import trackers
from kvision.engine.events import Action, Event, Started

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

LIMIT_S = 10.0
"""How long a run that has ended waits for a tracker to send the rest."""


def check(names: Sequence[str]) -> None:
    """Sees to it that trackers are there; asked before anything is trained.

    Args:
        names: Of trackers.

    Raises:
        UsageError: If there is no such tracker, or its package is not installed.
    """
    for name in names:
        if name not in trackers.names():
            raise UsageError(f"--track {name}: accepted are {', '.join(trackers.names())}{did_you_mean(name, trackers.names())}")
        if importlib.util.find_spec(name) is None:
            raise UsageError(f"--track {name}: its package is not installed; pip install 'kvision[{name}]', or leave --track out")


def start(name: str, run_dir: Path, parent: int) -> subprocess.Popen[bytes]:
    """Starts a tracker's process, whose words go to `trackers/NAME.log` in the run folder.

    Args:
        name: The tracker.
        run_dir: The run folder.
        parent: Whose end is its own; 0: nobody's.

    Returns:
        The process, in a session of its own, so that Ctrl-C does not reach it.

    Raises:
        RunError: If the run folder can't be written.
    """
    with writing(run_dir, "a tracker's log"):
        (run_dir / trackers.FOLDER).mkdir(exist_ok=True)
        with log(name, run_dir).open("ab") as said:
            command = [sys.executable, "-m", "kvision.engine.trackers.follow", name, str(run_dir), str(parent)]
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)


def log(name: str, run_dir: Path) -> Path:
    """Where a tracker's words go."""
    return run_dir / trackers.FOLDER / f"{name}.log"


def said(name: str, run_dir: Path) -> str:
    """The last line of a tracker's words; empty when it said nothing."""
    lines = log(name, run_dir).read_text("utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Track(Action):
    """A tracker beside a training.

    Args:
        name: The tracker.
        run_dir: The run folder, whose diary is kept by the journal.
        warn: What is told of a tracker that fails.
    """

    def __init__(self, name: str, run_dir: Path, warn: Callable[[str], None]) -> None:
        self._name, self._run_dir, self._warn = name, run_dir, warn
        self._process: subprocess.Popen[bytes] | None = None

    def on_event(self, event: Event) -> None:
        """Starts the tracker with the training, and tells once if it has failed."""
        if isinstance(event, Started):
            try:
                self._process = start(self._name, self._run_dir, os.getpid())
            except (RunError, OSError) as error:
                self._failed(f"can't be started: {error}")
        elif self._process is not None and self._process.poll():
            self._failed(f"has failed (exit code {self._process.returncode}): {said(self._name, self._run_dir)}")

    def close(self) -> None:
        """Lets the tracker send the rest, but not for long."""
        if self._process is None:
            return
        try:
            code = self._process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)  # those that it started, too
            self._process.wait()
            self._failed(f"is not done {LIMIT_S:g} s after the training, and was ended")
            return
        if code:
            self._failed(f"has failed (exit code {code}): {said(self._name, self._run_dir)}")

    def _failed(self, how: str) -> None:
        self._process = None
        rest = f"`kvision track {self._run_dir} --to {self._name}` tells it what it does not know yet"
        with contextlib.suppress(RunError):  # a full disk is told by whoever has to do with the training
            self._warn(f"{self._name} {how}; the training is untouched, and {rest}; its words are in {log(self._name, self._run_dir)}")
