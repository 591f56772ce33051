"""The outer loop: epochs, best, early stop, plateau, signals, divergence, and going on after each."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from kvision.core.errors import DivergedError, RunError
from kvision.engine import events, guessing, trainer
from kvision.engine.actions.early_stop import EarlyStop
from kvision.engine.checkpoint import Checkpoints, load
from kvision.engine.journal import Journal
from tests.unit.engine import tiny

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Recorder(events.Action):
    """Keeps what it is told, and may send this process a signal when an event of some kind comes."""

    def __init__(self, kill_on: type | None = None, number: int = signal.SIGINT) -> None:
        self.told: list[events.Event] = []
        self._kill_on, self._number = kill_on, number

    def on_event(self, event: events.Event) -> None:
        self.told.append(event)
        if self._kill_on is not None and isinstance(event, self._kill_on):
            self._kill_on = None
            os.kill(os.getpid(), self._number)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


def train(run_dir: Path, recorder: Recorder | None = None, system: type = tiny.Tiny, **sections: Any) -> tuple[trainer.Trainer, Recorder, list[str]]:
    """Trains, or goes on training, and gives the trainer, what it told and the warnings of the resume."""
    recorder = recorder or Recorder()
    session = tiny.session(system=system, **sections)
    progress, warnings = trainer.resume(session, run_dir)
    run_dir.mkdir(exist_ok=True)
    journal = Journal(run_dir, epoch=progress.epoch, tensorboard=False)
    listeners: list[events.Action] = [journal, recorder]
    if session.recipe.train.early_stop_epochs:
        listeners.append(EarlyStop(session.recipe.train.early_stop_epochs, "val/miou", "max", journal.rows))
    training = trainer.Trainer(session, run_dir, events.Actions(listeners), progress)
    try:
        training.run()
    finally:
        journal.close()
    return training, recorder, warnings


def final(run_dir: Path, step: int = 18) -> tuple[bytes, dict[str, np.ndarray]]:
    return (run_dir / "metrics.csv").read_bytes(), load(run_dir / "checkpoints" / f"step-{step:08d}")[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recorder]:
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    _, recorder, _ = train(run_dir)
    return run_dir, recorder


def test_events_come_in_order(whole: tuple[Path, Recorder]) -> None:
    run_dir, recorder = whole
    kinds = [type(event).__name__ for event in recorder.told]
    assert kinds[:2] == ["Started", "Warned"]
    assert kinds[-1] == "Finished"
    started = recorder.of(events.Started)[0]
    assert (started.step, started.total, started.epochs, started.steps_per_epoch, started.monitor) == (0, 18, 3, 6, "val/miou")
    assert [event.step for event in recorder.of(events.EpochEnded)] == [6, 12, 18]
    assert [event.step for event in recorder.of(events.CheckpointSaved)] == [6, 12, 18]
    assert recorder.of(events.Finished)[0].status == "finished"
    message = recorder.of(events.Warned)[0].message
    assert message.startswith("steps so few that batch-norm statistics are not yet settled: 18 steps with momentum 0.9")
    assert "train at least 50 steps" in message
    best = max(recorder.of(events.EpochEnded), key=lambda event: event.row["val/miou"])
    index = json.loads((run_dir / "checkpoints/index.json").read_text())
    assert index["best"] == f"step-{best.step:08d}"
    assert index["last"] == "step-00000018"


def test_a_rate_far_too_large_is_told_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "PATIENCE", 3)
    _, recorder, _ = train(tmp_path / "run", optim={"lr": 100.0}, train={"epochs": 1})
    assert "learnt nothing in 6 steps" in recorder.of(events.Warned)[-1].message


@pytest.mark.parametrize(
    ("number", "kill_on"), [(signal.SIGINT, events.Progress), (signal.SIGTERM, events.EvaluationStarted)], ids=["in training", "in evaluation"]
)
def test_a_signal_saves_and_the_run_goes_on_with_the_same_bits(whole: tuple[Path, Recorder], tmp_path: Path, number: int, kill_on: type) -> None:
    run_dir = tmp_path / "run"
    training, recorder, _ = train(run_dir, Recorder(kill_on, number))
    assert training.signal == number
    assert recorder.of(events.Finished)[0].status == "interrupted"
    step = recorder.of(events.CheckpointSaved)[-1].step
    assert step == (1 if kill_on is events.Progress else 6)
    assert f"at step {step} of 18; step-{step:08d} is saved" in recorder.of(events.Finished)[0].message
    assert signal.getsignal(number) is not signal.SIG_DFL or number == signal.SIGTERM  # the handlers are as they were
    _, again, _ = train(run_dir)
    assert again.of(events.Started)[0].step == step
    metrics, values = final(run_dir)
    expected_metrics, expected = final(whole[0])
    assert metrics == expected_metrics
    np.testing.assert_equal(values, expected)


def test_a_damaged_last_checkpoint_costs_an_epoch_and_no_bit(whole: tuple[Path, Recorder], tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    train(run_dir, Recorder(events.CheckpointSaved))
    last = Checkpoints(run_dir / "checkpoints").all()[-1]
    assert last.step == 12
    data = (last.path / "state.safetensors").read_bytes()
    (last.path / "state.safetensors").write_bytes(data[:-4])
    _, recorder, warnings = train(run_dir)
    assert len(warnings) == 1
    assert "step-00000012/state.safetensors is damaged" in warnings[0]
    assert "going on from the checkpoint before it, step-00000006" in warnings[0]
    assert recorder.of(events.Started)[0].step == 6
    metrics, values = final(run_dir)
    assert metrics == final(whole[0])[0]
    np.testing.assert_equal(values, final(whole[0])[1])


def test_a_finished_run_has_nothing_left(whole: tuple[Path, Recorder]) -> None:
    session = tiny.session()
    progress, _ = trainer.resume(session, whole[0])
    assert trainer.Trainer(session, whole[0], events.Actions(), progress).done


def test_divergence_names_the_batch_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    recorder = Recorder()
    with pytest.raises(DivergedError) as caught:
        train(tmp_path / "run", recorder, system=tiny.Poisoned, train={"checkpoint_every_steps": 1})
    facts = json.loads((tmp_path / "run" / "diverged.json").read_text())
    assert "fake/train/7" in facts["batch"]
    assert len(facts["batch"]) == 4
    assert facts["loss"] == "nan"
    message = str(caught.value)
    assert f"step {facts['step']} of epoch 1: the loss became nan on the batch {', '.join(facts['batch'])}" in message
    assert "diverged.json" in message
    assert "a smaller optim.lr" in message
    assert recorder.of(events.Finished)[0].status == "diverged"
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "diverged"
    saved = Checkpoints(tmp_path / "run" / "checkpoints").all()
    assert facts["checkpoint"] == (saved[-1].name if saved else None)
    assert all(checkpoint.step <= facts["step"] for checkpoint in saved)


class Stuck(tiny.Tiny):
    """Never gets better."""

    def metrics(self, sums: Mapping[str, np.ndarray]) -> dict[str, float]:
        return {"loss": 1.0, "miou": 0.25}


def test_early_stop_ends_the_run_for_good(tmp_path: Path) -> None:
    sections: dict[str, Any] = {"optim": {"ema": None}, "train": {"epochs": 9, "early_stop_epochs": 2}, "system": Stuck}
    training, recorder, _ = train(tmp_path / "run", **sections)
    assert training.done
    assert [event.best for event in recorder.of(events.EpochEnded)] == [True, False, False]
    finished = recorder.of(events.Finished)[0]
    assert (finished.status, finished.message) == ("finished", "val/miou has not improved on 0.2500 for 2 epochs")
    _, again, _ = train(tmp_path / "run", **sections)
    assert not again.of(events.EpochEnded)


def test_steps_shorten_the_last_epoch(tmp_path: Path) -> None:
    _, recorder, _ = train(tmp_path / "run", train={"steps": 8})
    assert [event.row["step"] for event in recorder.of(events.EpochEnded)] == [6, 8]


def test_another_precision_is_refused(whole: tuple[Path, Recorder]) -> None:
    session = tiny.session(precision_name="bf16")
    with pytest.raises(RunError, match=r"the run was begun with --precision fp32, not bf16; go on with --resume --precision fp32"):
        trainer.resume(session, whole[0])


def test_another_model_is_refused(whole: tuple[Path, Recorder]) -> None:
    with pytest.raises(RunError, match=r"step-00000018 holds the weights of another model(?s:.*)beta: shape \[4\] there, \[5\] here"):
        trainer.resume(tiny.session(model={"width": 5}), whole[0])


def test_a_checkpoint_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / "checkpoints").write_text("in the way")
    recorder = Recorder()
    with pytest.raises(RunError, match=r"checkpoints: checkpoint step-00000006 could not be written: (Not a directory|File exists); choose a folder"):
        train(run_dir, recorder)
    assert recorder.of(events.Finished)[0].status == "failed"


def test_the_end_of_each_cycle_is_a_snapshot_that_stays(tmp_path: Path) -> None:
    train(tmp_path, optim={"schedule": "cosine_restarts", "cycles": 3}, train={"epochs": 6})
    assert json.loads((tmp_path / "checkpoints/index.json").read_text())["kept"] == ["step-00000012", "step-00000024", "step-00000036"]
    assert {"step-00000012", "step-00000024"} <= {each.name for each in Checkpoints(tmp_path / "checkpoints").all()}
