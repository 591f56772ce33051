"""What the training loop tells the world, and the actions that listen. No TensorFlow here.

The loop emits; the journal, the panel and early stopping are actions. Events come on the training thread, in order, between graph calls.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kvision.engine.system import Mode

Status = Literal["running", "finished", "interrupted", "diverged", "failed"]
Reason = Literal["epoch", "interval", "signal"]
Row: TypeAlias = "Mapping[str, float | int]"
"""A row of metrics.csv: `epoch`, `step`, `lr`, `train/loss` and what else the system reports, then `val/<metric>`."""


@dataclass(frozen=True)
class Started:
    """Training begins, or goes on from `step`.

    Attributes:
        run_dir: The run folder.
        system: `family/name`.
        step: Steps already done; 0 in a fresh run.
        total: Steps of the whole run.
        steps_per_epoch: Steps of one epoch.
        epochs: Epochs of the whole run, the last one perhaps cut short by `train.steps`.
        batch: Global batch size.
        parameters: Number of trainable values.
        devices: Names of the replicas' devices, of each worker.
        precision: `fp32`, `bf16` or `fp16`.
        monitor: Column of metrics.csv that decides what is best, e.g. `val/miou`.
        mode: Whether the greatest or the smallest value is the best.
        unit: What an example of the training is: `image`, `example`, or `step` of an environment.
        workers: Processes that train together.
        replicas: Copies of the model, over all workers; each gets an equal part of the batch.
        collective: How their gradients are summed, such as `ring`; `none` for one replica.
    """

    run_dir: str
    system: str
    step: int
    total: int
    steps_per_epoch: int
    epochs: int
    batch: int
    parameters: int
    devices: tuple[str, ...]
    precision: str
    monitor: str
    mode: Mode
    unit: str = "image"
    workers: int = 1
    replicas: int = 1
    collective: str = "none"


@dataclass(frozen=True)
class Progress:
    """A graph call of some steps is done; comes about once a second.

    Attributes:
        step: Steps done since the run began.
        total: Steps of the whole run.
        epoch: The epoch in progress, from 1.
        means: Means over the epoch so far: `loss`, and what `System.reports` names.
        lr: Learning rate of the last step.
        images_per_s: Examples a second, whatever their unit, over the last few seconds.
        wait_share: Share of that time spent waiting for data, 0..1.
        memory_mb: Resident memory of this process, MiB.
        eta_s: Seconds until the run ends, evaluation included; none until it can be told.
    """

    step: int
    total: int
    epoch: int
    means: Mapping[str, float]
    lr: float
    images_per_s: float
    wait_share: float
    memory_mb: float
    eta_s: float | None


@dataclass(frozen=True)
class EvaluationStarted:
    """The epoch's training steps are done; the validation split is read next."""

    step: int
    epoch: int
    batches: int


@dataclass(frozen=True)
class EpochEnded:
    """An epoch and its evaluation are done.

    Attributes:
        step: Steps done since the run began.
        epoch: The epoch that ended, from 1.
        row: Its row of metrics.csv.
        best: Whether the monitored metric is the best so far.
        seconds: Wall time of the epoch in this process, evaluation included.
        images_per_s: Training examples a second, whatever their unit, evaluation left out.
        wait_share: Share of the training time spent waiting for data, 0..1.
    """

    step: int
    epoch: int
    row: Row
    best: bool
    seconds: float
    images_per_s: float
    wait_share: float


@dataclass(frozen=True)
class CheckpointSaved:
    """A checkpoint is on the disk."""

    step: int
    name: str
    seconds: float
    reason: Reason


@dataclass(frozen=True)
class Warned:
    """Something the user should know and that does not stop the run."""

    message: str


@dataclass(frozen=True)
class Finished:
    """The run ends, one way or another.

    Attributes:
        status: How it ended.
        step: Steps done.
        epoch: Whole epochs done.
        seconds: Wall time of this process.
        images_per_s: Training examples a second, whatever their unit, evaluation left out.
        wait_share: Share of the training time spent waiting for data, 0..1.
        best: The best epoch's row of metrics.csv; none before the first evaluation.
        message: A sentence for people: why it stopped, or how to go on.
    """

    status: Status
    step: int
    epoch: int
    seconds: float
    images_per_s: float
    wait_share: float
    best: Row | None
    message: str


Event = Started | Progress | EvaluationStarted | EpochEnded | CheckpointSaved | Warned | Finished


class Action:
    """Something that is done when the loop says so. The base does nothing.

    An action that wants the run to end sets `stop_reason`; the loop looks at it after each epoch.
    """

    stop_reason: str = ""

    def on_event(self, event: Event) -> None:
        """Acts on one event; must be quick, for it runs on the training thread."""

    def close(self) -> None:
        """Lets go of files and of the terminal; called once, however the run ended."""


class Actions(Action):
    """Several actions as one; events reach them in the order given."""

    def __init__(self, actions: Iterable[Action] = ()) -> None:
        self._actions = list(actions)

    def on_event(self, event: Event) -> None:
        """Passes the event to every action."""
        for action in self._actions:
            action.on_event(event)

    def close(self) -> None:
        """Closes every action, the last first, even if one of them fails."""
        errors = []
        for action in reversed(self._actions):
            try:
                action.close()
            except Exception as error:  # every action gets its turn; the first fault is raised below
                errors.append(error)
        if errors:
            raise errors[0]

    @property
    def stop_reason(self) -> str:  # type: ignore[override]
        """The first reason that an action gives for ending the run, or nothing."""
        return next((action.stop_reason for action in self._actions if action.stop_reason), "")


def to_json(event: Event) -> dict[str, Any]:
    """The event as plain values, its kind in snake case under `event`, e.g. `{"event": "checkpoint_saved", "step": 12, ...}`."""
    kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    return {"event": kind, **dataclasses.asdict(event)}
