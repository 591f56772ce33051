"""What a sweep was asked to do."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kvision.core.resolved import Resolved
    from kvision.engine.system import Mode
    from kvision.sweep.propose import Method
    from kvision.sweep.space import Space

Prune = Literal["median", "hyperband", "none"]
TRAIN = (sys.executable, "-m", "kvision", "train")


@dataclass(frozen=True)
class Plan:
    """A sweep, as the command line asks for it.

    Attributes:
        recipe: The recipe's file or name, as typed.
        held: The recipe with the values that are the same in all trials.
        space: What is searched, and what is held.
        folder: Where everything is written; its last part is the study's name.
        metric: Column of metrics.csv that counts, such as `val/miou`.
        mode: Whether its greatest or its smallest value is the best.
        trials: How many trainings the study shall have, all workers and resumptions together.
        jobs: How many of them run at a time here.
        method: How values are chosen.
        rounds: Rounds of coarse-to-fine.
        prune: How trials without prospects are found.
        seed: Where the randomness of the search begins; that of the training is the recipe's.
        storage: URL of a database; none: SQLite in the folder.
        smoke: Whether the recipe's smoke section is applied.
        devices: As of `kvision train`.
        precision: As of `kvision train`.
        train: The program that trains.
    """

    recipe: str
    held: Resolved
    space: Space
    folder: Path
    metric: str
    mode: Mode
    trials: int = 20
    jobs: int = 1
    method: Method = "tpe"
    rounds: int = 3
    prune: Prune = "median"
    seed: int = 0
    storage: str | None = None
    smoke: bool = False
    devices: str = "auto"
    precision: str = "fp32"
    train: Sequence[str] = field(default=TRAIN)

    @property
    def url(self) -> str:
        """Where the trials are kept."""
        return self.storage or f"sqlite:///{self.folder.resolve() / 'study.db'}"

    @property
    def most_epochs(self) -> int:
        """The epochs of the longest trial."""
        searched = self.space.parameters.get("train.epochs")
        return int(max(searched.ends)) if searched is not None else self.held.recipe.train.epochs

    def command(self, values: Mapping[str, Any], run_dir: Path) -> list[str]:
        """The command that trains with these values; the same command goes on where a run has stopped."""
        options = ["--run-dir", str(run_dir), "--resume", "--devices", self.devices, "--precision", self.precision]
        return [*self.train, self.recipe, *self.space.overrides(values), *options, *(["--smoke"] if self.smoke else [])]
