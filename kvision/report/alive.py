"""Whether a run is still being trained, seen from outside and without touching its lock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from kvision.engine.journal import EVENTS, PROGRESS_EVERY_S
from kvision.engine.runfolder import LOCK

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.report.folder import RunFolder

RUNNING, KILLED = "running", "killed"
SILENT_S = 3 * PROGRESS_EVERY_S
"""A training writes to its events at least every ten seconds while it takes steps."""


def status(run: RunFolder) -> str:
    """As `run.status`, but `killed` where a training says that it runs and does not.

    It runs while the process that took the lock lives on this machine, or while it writes, as trainings in containers and on other machines do.

    Args:
        run: The run's facts.

    Returns:
        `running`, `killed`, `finished`, `interrupted`, `diverged` or `failed`.
    """
    if run.status != RUNNING:
        return run.status
    return RUNNING if _holds(run.path / LOCK) or _written(run.path / EVENTS) else KILLED


def _holds(lock: Path) -> bool:
    """Whether the process whose number is in the lock lives; one that began after the lock was written has the number by chance."""
    try:
        process = psutil.Process(int(lock.read_text("utf-8")))
        return process.status() != psutil.STATUS_ZOMBIE and process.create_time() <= lock.stat().st_mtime + 1.0
    except (OSError, ValueError, OverflowError, psutil.Error):
        return False


def _written(events: Path) -> bool:
    try:
        return time.time() - events.stat().st_mtime < SILENT_S
    except OSError:
        return False
