"""Trackers of experiments, each a file that `--track` names: `open_run` begins or goes on with a run there, in a process of its own.

A tracker reads the run folder's diary and nothing else, so that training neither waits for it nor knows how it fares.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = "trackers"
"""In the run folder: of each tracker `NAME.json`, what it has been told, and `NAME.log`, what it said."""
PROJECT = "kvision"
"""What runs are filed under, unless the tracker's own environment variable names something else."""


@dataclass(frozen=True)
class Facts:
    """What a tracker is told of a run before its figures.

    Attributes:
        run_dir: The run folder.
        values: Every value of the recipe, plain data by dotted path.
        tags: System, precision, devices, commit and versions, in words.
        id: The tracker's own name for the run where it knows it already; none: it is new there.
    """

    run_dir: Path
    values: Mapping[str, Any]
    tags: Mapping[str, str]
    id: str | None

    @property
    def name(self) -> str:
        """The run folder's name."""
        return self.run_dir.resolve().name


class Tracker(Protocol):
    """A run at a tracker. Whatever a method raises ends the tracker's process, and nothing else."""

    id: str
    """By which the tracker finds the run again."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Tells figures of a step."""

    def end(self, status: str) -> None:
        """Tells how the run ended, a `kvision.engine.events.Status`; returns when all is sent."""


def names() -> list[str]:
    """The trackers that there are; nothing is imported."""
    return sorted(file.stem for file in Path(__file__).parent.glob("[!_]*.py") if file.stem != "follow")
