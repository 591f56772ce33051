"""Epochs, evaluations, checkpoints and stops: the outer loop around the graph calls of `kvision.engine.loop`."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from kvision.core import words
from kvision.core.disk import writing
from kvision.core.errors import DivergedError, KvisionError, RunError
from kvision.engine import events, runfolder, state
from kvision.engine.checkpoint import Checkpoints, spread
from kvision.engine.guessing import no_better
from kvision.engine.loop import Call, Loop
from kvision.engine.pace import Pace
from kvision.engine.saver import Saver
from kvision.engine.settled import unsettled
from kvision.engine.signals import StopRequest
from kvision.engine.strategy import collective
from kvision.engine.system import is_better

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kvision.engine.session import Session

CHECKPOINT_EVERY_S = 60.0
TELL_EVERY_S = 0.5
DIVERGED = "diverged.json"


@dataclass
class Standing:
    """Where the run stands, beside its variables; kept in each checkpoint's meta.json.

    Attributes:
        epoch: Epochs that are over and evaluated.
        best: The best epoch's row of metrics.csv.
        best_step: The step of its checkpoint.
    """

    epoch: int = 0
    best: events.Row | None = None
    best_step: int | None = None


class Trainer:
    """Trains a session to its end, from wherever it stands.

    Of several workers each has its own; they take every decision together, and the chief writes.

    Args:
        session: Opened for training, its variables restored.
        run_dir: The run folder, claimed by the chief.
        actions: Who is told what happens.
        standing: Where the run stands.
    """

    def __init__(self, session: Session, run_dir: Path, actions: events.Actions, standing: Standing | None = None) -> None:
        recipe = session.recipe
        self._session = session
        self._training = session.for_training
        self._workers = session.workers
        self._run_dir = run_dir
        self._actions = actions
        self._standing = standing or Standing()
        self._loop = Loop(session)
        self._pace = Pace(recipe.data.batch, recipe.train.steps_per_call)
        self._saver = Saver(Checkpoints(run_dir / runfolder.CHECKPOINTS, recipe.keep_every_epochs))
        self._column = f"val/{session.system.monitor.metric}"
        self._step = int(self._training.step.numpy())
        self._steps_per_epoch = session.pipeline.steps_per_epoch
        self._num_epochs = math.ceil(self._training.total / self._steps_per_epoch)
        self._fingerprint = session.pipeline.fingerprint()
        self._stop = StopRequest()
        self._signal = 0
        self._evaluation_s = 0.0
        self._told_s = -math.inf
        self._began_s = time.monotonic()

    def run(self) -> events.Finished:
        """Trains until the end, a signal, or a fault.

        Returns:
            How it ended: `finished` or `interrupted`.

        Raises:
            DivergedError: The loss became NaN or infinite; `diverged.json` names the batch.
            KvisionError: Any other fault that is the user's to mend; the last checkpoint is whole.
        """
        try:
            with self._stop:
                self._start()
                while not self.done and self._epoch():
                    pass
                self._tell(self._saver.wait())
            return self._finish("finished", self._actions.stop_reason) if self.done else self._finish("interrupted", self._how_to_go_on())
        except Exception as error:
            with contextlib.suppress(KvisionError):  # the disk may be full; the first fault is the one to report
                what = str(error) if isinstance(error, KvisionError) else f"{type(error).__name__}: {str(error)[:200]}"
                self._finish("diverged" if isinstance(error, DivergedError) else "failed", what)
            raise
        finally:
            self._saver.close()

    @property
    def done(self) -> bool:
        """Whether nothing is left to train."""
        return self._standing.epoch >= self._num_epochs or bool(self._actions.stop_reason)

    @property
    def signal(self) -> int:
        """Number of the signal that ended the run, whichever worker got it, or 0."""
        return self._signal

    def _start(self) -> None:
        session, monitor = self._session, self._session.system.monitor
        self._tell(
            events.Started(
                run_dir=str(self._run_dir),
                system=session.recipe.system,
                step=self._step,
                total=self._training.total,
                steps_per_epoch=self._steps_per_epoch,
                epochs=self._num_epochs,
                batch=session.recipe.data.batch,
                parameters=sum(math.prod(variable.shape) for own in session.system.trainables().values() for variable in own),
                devices=tuple(session.devices),
                workers=self._workers.count,
                replicas=session.strategy.num_replicas_in_sync,
                collective=collective(session.strategy),
                precision=session.precision,
                monitor=self._column,
                mode=monitor.mode,
                unit=session.system.unit,
            )
        )
        message = unsettled(session.system.networks, self._training.total)
        self._tell(events.Warned(message) if message else None)

    def _epoch(self) -> bool:
        """Trains to the end of the epoch and evaluates; False if a signal came."""
        began, end = time.monotonic(), min((self._standing.epoch + 1) * self._steps_per_epoch, self._training.total)
        while self._step < end and not self._stopping():
            self._call(self._next_stop(end))
            if self._step < end and not self._stopping() and self._checkpoint_due():
                self._save("interval")
        metrics = None if self._stopping() else self._evaluate()
        if metrics is None:
            self._tell(events.Warned(f"{signal.Signals(self._signal).name}: saving a checkpoint; once more ends at once"))
            self._save("signal")
            return False
        self._end_epoch(metrics, time.monotonic() - began)
        return not self._stopping()

    def _stopping(self) -> bool:
        """Whether any worker got a signal; they ask each other, so that all stop after the same step."""
        if not self._signal:
            self._signal = max(self._workers.each(self._stop.signal or 0))
        return bool(self._signal)

    def _next_stop(self, end: int) -> int:
        """The step that the next call goes to: never beyond the epoch's end or the next checkpoint."""
        every = self._session.recipe.train.checkpoint_every_steps
        boundary = end if every is None else min(end, (self._step // every + 1) * every)
        return min(boundary, self._step + self._workers.each(self._pace.steps_per_call)[0])

    def _checkpoint_due(self) -> bool:
        every = self._session.recipe.train.checkpoint_every_steps
        return self._step % every == 0 if every else time.monotonic() - self._saver.last_s >= CHECKPOINT_EVERY_S

    def _call(self, end: int) -> None:
        began, before = time.monotonic(), self._step
        call = self._loop.train(end)
        now = time.monotonic()
        if call.bad_step is not None:
            raise self._diverged(call)
        self._step = call.step
        self._pace.record(call.step - before, now - began, call.wait_s)
        if now - self._told_s >= TELL_EVERY_S:
            self._told_s = now
            self._tell(self._state_of_play(call))
        self._tell(self._saver.poll())

    def _state_of_play(self, call: Call) -> events.Progress:
        step_s = self._pace.step_s
        steps_left, epochs_left = self._training.total - call.step, self._num_epochs - self._standing.epoch
        return events.Progress(
            step=call.step,
            total=self._training.total,
            epoch=self._standing.epoch + 1,
            means=call.means,
            lr=call.lr,
            images_per_s=self._pace.images_per_s,
            wait_share=self._pace.wait_share,
            memory_mb=psutil.Process().memory_info().rss / 2**20,
            eta_s=None if step_s is None else steps_left * step_s + epochs_left * self._evaluation_s,
        )

    def _evaluate(self) -> dict[str, float] | None:
        """The validation metrics, with the averaged weights if there are any; none if a signal came meanwhile."""
        began, ema = time.monotonic(), self._training.ema
        self._tell(events.EvaluationStarted(self._step, self._standing.epoch + 1, self._session.pipeline.val_steps))
        with ema.swapped() if ema is not None else contextlib.nullcontext():
            metrics = self._loop.evaluate(self._stopping)
        self._evaluation_s = time.monotonic() - began
        return metrics

    def _end_epoch(self, metrics: Mapping[str, float], seconds: float) -> None:
        standing, monitor = self._standing, self._session.system.monitor
        means, lr = self._loop.epoch_so_far()
        validation = {f"val/{name}": value for name, value in metrics.items()}
        training = {f"train/{name}": value for name, value in means.items()}
        row: events.Row = {"epoch": standing.epoch + 1, "step": self._step, "lr": lr, **training, **validation}
        if self._training.plateau is not None:
            self._training.plateau.observe(validation[self._column], monitor.mode)
        best = is_better(row[self._column], standing.best[self._column] if standing.best else math.nan, monitor.mode)
        if best:
            standing.best, standing.best_step = row, self._step
        standing.epoch += 1
        self._loop.begin_epoch()
        self._tell(events.EpochEnded(self._step, standing.epoch, row, best, seconds, *self._pace.overall))
        self._warn_of_guesses(means["loss"])
        self._save("epoch", row)

    def _warn_of_guesses(self, loss: float) -> None:
        message = no_better(
            loss,
            self._session.system.expected_initial_loss(),
            step=self._step,
            epoch_steps=self._steps_per_epoch,
            total=self._training.total,
            warmup=self._session.recipe.optim.warmup_steps,
        )
        self._tell(events.Warned(message) if message else None)

    def _save(self, reason: events.Reason, row: events.Row | None = None) -> None:
        """Copies the state now and has it written; what goes wrong is raised by a later call. All workers hold the same: the chief writes."""
        if not self._workers.chief:
            return
        standing, session = self._standing, self._session
        meta: dict[str, Any] = {
            "step": self._step,
            "epoch": standing.epoch,
            "reason": reason,
            "metrics": row,
            "best": standing.best,
            "best_step": standing.best_step,
            "finished": self.done,
            "evaluated": "net" if self._training.ema is None else "ema",
            "precision": session.precision,
            "recipe_sha256": runfolder.recipe_hash(session.resolved.values()),
            "fingerprint": self._fingerprint,
            "versions": runfolder.versions(),
        }
        self._tell(self._saver.submit(state.read(session.variables()), meta))

    def _diverged(self, call: Call) -> DivergedError:
        """Writes down the batch that did it."""
        step = call.bad_step or 0
        names = self._session.pipeline.names(step)
        self._tell(self._saver.wait())
        kept = self._saver.checkpoints.index()["last"]
        facts = {"step": step, "epoch": self._standing.epoch + 1, "loss": repr(call.loss), "lr": call.lr, "batch": names, "checkpoint": kept}
        if self._workers.chief:
            with writing(self._run_dir, DIVERGED):
                runfolder.write_json(self._run_dir / DIVERGED, facts)
        what = f"the gradient became NaN or infinite at a loss of {call.loss:.4g}" if math.isfinite(call.loss) else f"the loss became {call.loss}"
        return DivergedError(
            f"step {step} of epoch {self._standing.epoch + 1}: {what} on the batch {words.listed(names, 4)} "
            f"(all of it in {self._run_dir / DIVERGED}); "
            f"the weights are untouched, {f'the last good checkpoint is {kept}' if kept else 'there was no checkpoint yet'}; "
            "look at these examples with `kvision data check`, or start anew with a smaller optim.lr, more optim.warmup_steps or optim.clip_norm=1"
        )

    def _how_to_go_on(self) -> str:
        last = self._saver.checkpoints.index()["last"]
        return f"{signal.Signals(self._signal).name} at step {self._step} of {self._training.total}; {last} is saved"

    def _tell(self, event: events.Event | None) -> None:
        if event is not None:
            self._actions.on_event(event)

    def _finish(self, status: events.Status, message: str) -> events.Finished:
        standing, seconds = self._standing, time.monotonic() - self._began_s
        finished = events.Finished(status, self._step, standing.epoch, seconds, *self._pace.overall, standing.best, message)
        self._tell(finished)
        return finished


def resume(session: Session, run_dir: Path) -> tuple[Standing, list[str]]:
    """Puts the newest whole checkpoint of a run into the session's variables; of several workers the chief reads it.

    Args:
        session: Opened for training.
        run_dir: The run folder, claimed by the chief.

    Returns:
        Where the run stands, at its beginning if it has no checkpoint yet; and a warning for each damaged checkpoint that was passed over.

    Raises:
        RunError: If every checkpoint is damaged, or they were made with another precision or another model.
    """
    warnings: list[str] = []
    checkpoints = Checkpoints(run_dir / runfolder.CHECKPOINTS)
    found = None
    if session.workers.chief:
        checkpoints.clean()
        found = checkpoints.latest_good(warnings.append)
    if not session.workers.told(found is not None):
        return Standing(), warnings
    checkpoint, values = spread(session.workers, found)
    if checkpoint.meta["precision"] != session.precision:
        raise RunError(
            f"{checkpoint.path}: the run was begun with --precision {checkpoint.meta['precision']}, not {session.precision}; "
            f"go on with --resume --precision {checkpoint.meta['precision']}"
        )
    state.write(session.variables(), values, str(checkpoint.path))
    if session.workers.chief:
        checkpoints.drop_after(checkpoint.step)
    return Standing(checkpoint.meta["epoch"], checkpoint.meta["best"], checkpoint.meta["best_step"]), warnings
