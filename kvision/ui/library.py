"""The runs and bundles under one folder. What a browser names is looked up among them: no path is ever made of a request."""

from __future__ import annotations

import dataclasses
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kvision.core.errors import RunError
from kvision.engine import journal, runfolder
from kvision.report import alive
from kvision.report import folder as folders
from kvision_edge import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kvision.report.folder import Headline, RunFolder

DEEPEST = 5
"""Folders below the given one that are looked into: sweeps keep their runs deeper than `kvision train` does."""
PICTURES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".webp"})
_WATCHED = (runfolder.RESOLVED, journal.METRICS, journal.EVENTS, journal.SUMMARY, "evaluation.json")
_PASSED = {runfolder.CHECKPOINTS, journal.TENSORBOARD, "pictures", "weights"}


@dataclass(frozen=True)
class Run:
    """A run as the pages show it.

    Attributes:
        name: Its path below the library's folder, with slashes.
        facts: What its files say.
        status: As `alive.status`.
        headline: Its result in one line.
        epochs: Ended so far.
        of_epochs: Asked for, where the recipe says so.
        seconds: It took; none before its end.
    """

    name: str
    facts: RunFolder
    status: str
    headline: Headline | None
    epochs: int
    of_epochs: int | None
    seconds: float | None


@dataclass(frozen=True)
class Found:
    """What lies under the folder, by name: runs, the last begun first, bundles, and runs that can't be read, with why."""

    runs: dict[str, Run] = field(default_factory=dict)
    bundles: dict[str, Path] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


class Library:
    """Finds and reads; what has not changed since is not read again. Threads may share it.

    Args:
        root: The folder. Links below it are not followed.

    Attributes:
        root: Likewise, with links resolved.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._known: dict[Path, tuple[tuple[float, ...], Run]] = {}
        self._lock = threading.Lock()

    def look(self) -> Found:
        """All that is there now."""
        found = Found()
        with self._lock:
            kept = self._known
            self._known = {}
            for folder, is_run in self._folders():
                name = self.root.name if folder == self.root else folder.relative_to(self.root).as_posix()
                if not is_run:
                    found.bundles[name] = folder
                    continue
                try:
                    found.runs[name] = self._read(folder, name, kept)
                except (RunError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # files of any content
                    found.unreadable[name] = f"can't be read: {str(error) or type(error).__name__}"
        newest = sorted(found.runs.items(), key=lambda item: (_time(item[1].facts.path), item[0]), reverse=True)
        return Found(dict(newest), dict(sorted(found.bundles.items())), found.unreadable)

    def run(self, name: str) -> Run:
        """A run by its name; RunError where there is none."""
        found = self.look()
        if name not in found.runs:
            why = found.unreadable.get(name, "no such run here; the list of runs has those that exist")
            raise RunError(f"{name}: {why}")
        return found.runs[name]

    def picture(self, run: Run, file: str) -> Path | None:
        """A picture file of a run; none where it is no picture, or does not lie in the run's folder."""
        try:
            path = (run.facts.path / file).resolve()
            inside = run.facts.path in path.parents and path.suffix.lower() in PICTURES and path.is_file()
        except (OSError, ValueError, RuntimeError):  # a null byte, a loop of links
            return None
        return path if inside else None

    def _read(self, folder: Path, name: str, kept: dict[Path, tuple[tuple[float, ...], Run]]) -> Run:
        mark = tuple(value for file in _WATCHED for value in _mark(folder / file))
        before = kept.get(folder)
        made = dataclasses.replace(before[1], status=alive.status(before[1].facts)) if before and before[0] == mark else _opened(name, folder)
        self._known[folder] = (mark, made)
        return made

    def _folders(self) -> Iterator[tuple[Path, bool]]:
        """The folders of runs (true) and of bundles, whose own copies of a run's files are no run."""
        for where, inner, files in os.walk(self.root):
            folder = Path(where)
            depth = len(folder.relative_to(self.root).parts)
            inner[:] = sorted(each for each in inner if each.isprintable() and each not in _PASSED) if depth < DEEPEST else []
            if manifest.NAME in files:
                inner.clear()
                yield folder, False
            elif runfolder.RESOLVED in files:
                yield folder, True


def _opened(name: str, folder: Path) -> Run:
    facts = folders.read(folder)
    of_epochs, seconds = facts.values["train"]["epochs"], facts.summary.get("seconds")
    return Run(
        name=name,
        facts=facts,
        status=alive.status(facts),
        headline=facts.headline,
        epochs=int(facts.rows[-1]["epoch"]) if facts.rows else 0,
        of_epochs=None if of_epochs is None else int(of_epochs),
        seconds=None if seconds is None else float(seconds),
    )


def _mark(path: Path) -> tuple[float, ...]:
    try:
        facts = path.stat()
    except OSError:
        return (0.0,)
    return facts.st_mtime, facts.st_size, facts.st_ino


def _time(folder: Path) -> float:
    try:
        return (folder / runfolder.RESOLVED).stat().st_mtime
    except OSError:
        return 0.0
