"""A trial as the sweep and its report see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kvision.engine.system import Mode

State = Literal["waiting", "running", "finished", "pruned", "diverged", "crashed", "refused", "copy", "lost"]
TRAINED = ("running", "finished", "pruned", "diverged", "crashed")
"""States that count as one of the trials that were asked for."""


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: From 0, unique in the study.
        values: What was searched, by dotted path.
        state: `finished`; `pruned`: stopped for want of prospects; `diverged`; `crashed`; `refused`: no valid recipe; `copy`: the same values as an
            earlier trial, whose result it takes over; `lost`: its worker was stopped or killed, and another trial goes on with it.
        result: The best value of the metric; of a pruned trial so far; none when there is none.
        epochs: Epochs trained.
        seconds: How long the training took.
        folder: Name of its run folder in the sweep's folder; empty when it has none.
        message: What went wrong.
        recipe_hash: Of its resolved recipe.
        round: Of coarse-to-fine.
        twin: The number of the trial that a copy copies.
    """

    number: int
    values: Mapping[str, Any]
    state: State
    result: float | None = None
    epochs: int = 0
    seconds: float | None = None
    folder: str = ""
    message: str = ""
    recipe_hash: str = ""
    round: int = 0
    twin: int | None = None

    @property
    def trained(self) -> bool:
        """Whether it is one of the trials that were asked for: begun, and not handed on to another one."""
        return self.state in TRAINED

    @property
    def name(self) -> str:
        """Its run folder, as `trial-0007`."""
        return self.folder or folder_name(self.number)


def folder_name(number: int) -> str:
    """The run folder of a trial."""
    return f"trial-{number:04d}"


def best_first(trials: Iterable[Trial], mode: Mode) -> list[Trial]:
    """The finished trials, the best one first; of equals the earlier one."""
    finished = [trial for trial in trials if trial.state == "finished" and trial.result is not None]
    return sorted(finished, key=lambda trial: trial.result or 0.0, reverse=mode == "max")
