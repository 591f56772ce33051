"""Weights & Biases: as `wandb login` or WANDB_API_KEY says, and offline by WANDB_MODE=offline; the project is WANDB_PROJECT, or `kvision`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kvision.engine.trackers import FOLDER, PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.engine.trackers import Facts


class _Run:
    def __init__(self, run: Any) -> None:
        self._run, self.id = run, str(run.id)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def end(self, status: str) -> None:
        self._run.finish(exit_code=0 if status == "finished" else 1)


def open_run(facts: Facts) -> _Run:
    """Begins a run, or goes on with one."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # nobody asked for reports to its makers
    import wandb

    config = dict(facts.values) | {f"kvision.{name}": text for name, text in facts.tags.items()}
    settings = wandb.Settings(console="off", disable_git=True, save_code=False, x_disable_stats=True)
    made = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=facts.name,
        id=facts.id,
        resume="allow",
        config=config,
        dir=str(facts.run_dir / FOLDER),
        settings=settings,
    )
    return _Run(made)
