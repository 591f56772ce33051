"""`kvision train`: from a recipe to a run folder."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvision import catalog, report
from kvision.core import words
from kvision.core.errors import DivergedError, RunError, UsageError
from kvision.core.names import did_you_mean
from kvision.core.schema import Chosen
from kvision.data.preprocess import Preprocess
from kvision.engine import artifacts, cluster, evaluation, events, runfolder, tensorboard, trainer
from kvision.engine.actions import panel
from kvision.engine.actions.early_stop import EarlyStop
from kvision.engine.actions.track import Track
from kvision.engine.checkpoint import Checkpoints
from kvision.engine.journal import Journal
from kvision.engine.session import Session, open_session
from kvision.engine.strategy import make
from kvision.engine.workers import Workers
from kvision.metrics import episodes
from kvision.report import folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tensorflow.distribute import Strategy

    from kvision.core.resolved import Resolved


def run(
    recipe: str | Path,
    overrides: Sequence[str] = (),
    *,
    run_dir: str | Path | None = None,
    resume: bool = False,
    deterministic: bool = False,
    devices: str = "auto",
    workers: str = "auto",
    worker: int | None = None,
    precision: str = "fp32",
    track: Sequence[str] = (),
    smoke: bool = False,
    data_service: str | None = None,
    json_lines: bool = False,
) -> int:
    """Trains a recipe, or goes on training it.

    Args:
        recipe: A recipe's file or the name of a shipped one.
        overrides: `key=value` texts.
        run_dir: The run folder; none: `runs/<recipe>`.
        resume: Go on with the run in the run folder; where there is none yet, it is started.
        deterministic: Turn on op determinism: the same bits each time.
        devices: `auto`, `cpu`, `cpu:2`, `gpu`, `gpu:0,1`, `tpu`; of each worker.
        workers: Who trains together, as `cluster.find` takes it.
        worker: Which of them this process is, where `workers` are addresses.
        precision: `fp32`, `bf16` or `fp16`.
        track: Trackers of experiments that are told, too.
        smoke: Apply the recipe's smoke section.
        data_service: `HOST:PORT` of `kvision data serve`, which prepares the training batches; none: this process does.
        json_lines: Progress and result as JSON lines on the standard output.

    Returns:
        The exit code: 0 finished, 130 or 143 stopped by SIGINT or SIGTERM with all saved.

    Raises:
        KvisionError: For whatever is the user's to mend.
    """
    resolved = catalog.load(recipe, overrides, smoke)
    where = Path(run_dir) if run_dir is not None else runfolder.default(resolved.path)
    found = cluster.find(workers, worker, os.environ)
    chief = found is None or found.chief
    with runfolder.claim(where, resume=resume) if chief else contextlib.nullcontext(False) as begun:
        if chief and resume and not begun:
            print(f"{where} holds no run yet: starting it from the beginning", file=sys.stderr)
        before = _before(where, begun) if chief else {}
        strategy = make(devices, found) if found is not None else None
        before = Workers(strategy).told(before) if strategy is not None else before
        session = _open(resolved, before, strategy or devices, precision, deterministic, data_service)
        _refuse_lanes_on_the_host(session)
        notes = _describe(session, where, begun) if chief else []
        session.system.keep_in(where)
        standing, warnings = trainer.resume(session, where)
        training, actions = _trainer(session, where, standing, json_lines, track)
        complete = training.done and before["reported"]
        try:
            if complete and chief:
                print(f"{where}: this run is complete, after {standing.epoch} epochs; nothing is left to train", file=sys.stderr)
            elif not complete:
                _train(training, actions, where, notes + warnings, chief)
        finally:
            actions.close()
        if not training.done:
            if chief:
                again = _command(recipe, overrides, run_dir, deterministic, devices, precision, track, smoke, data_service)
                print(f"go on with: {again}" if found is None else "go on by the same command on every worker, with --resume", file=sys.stderr)
                _report_if_possible(where)
            return 128 + training.signal
        if not complete:
            _conclude(session, where)
        session.workers.told()  # none leaves before the chief has written everything
        if chief:
            _print_result(where, json_lines, judged=not smoke)
    return 0


def _train(training: trainer.Trainer, actions: events.Actions, run_dir: Path, notes: Sequence[str], chief: bool) -> None:
    """Trains to the end, after what is worth a warning; one that diverged gets its report, too."""
    if chief:
        (run_dir / "report.html").unlink(missing_ok=True)  # that of an earlier, shorter run
    for message in notes:
        actions.on_event(events.Warned(message))
    try:
        training.run()
    except DivergedError:
        if chief:
            _report_if_possible(run_dir)
        raise


def _before(run_dir: Path, begun: bool) -> dict[str, Any]:
    """What the run folder knows of the run that all workers need, as JSON values."""
    return {
        "decided": {path: [choice.why, choice.value] for path, choice in catalog.from_run(run_dir).decided().items()} if begun else {},
        "trained": bool(Checkpoints(run_dir / runfolder.CHECKPOINTS).all()),
        "preprocess": runfolder.read_json(run_dir / runfolder.DATA)["preprocess"] if begun else None,
        "reported": (run_dir / "report.html").exists(),
    }


def _open(
    resolved: Resolved, before: Mapping[str, Any], devices: str | Strategy, precision: str, deterministic: bool, data_service: str | None
) -> Session:
    """The session of a new run, or of one that has been begun."""
    decided = {path: Chosen(*choice) for path, choice in before["decided"].items()}  # of another system's options `_describe` tells
    resolved = resolved.settled({path: choice for path, choice in decided.items() if path in resolved.origins})
    return open_session(
        resolved,
        catalog.system(resolved.recipe.system),
        catalog.source(resolved.recipe.data.source),
        devices=devices,
        precision_name=precision,
        deterministic=deterministic,
        begin=not before["trained"],
        preprocess=Preprocess.from_json(json.dumps(before["preprocess"])) if before["preprocess"] is not None else None,
        data_service=data_service,
    )


def _refuse_lanes_on_the_host(session: Session) -> None:
    """A checkpoint holds where all lanes stand, which the chief can't tell of those on other hosts."""
    if session.workers.count > 1 and any(not hasattr(variable, "dtype") for variable in session.system.carried().values()):
        raise UsageError(
            f"data.source: {session.recipe.data.source} plays on the host, which several workers can't yet share; use one worker with "
            "--devices cpu:N, or an environment in TensorFlow such as data.source=cart_pole"
        )


def _describe(session: Session, run_dir: Path, begun: bool) -> list[str]:
    """Writes the run's description, or checks that it still holds; what is worth a warning."""
    resolved = session.resolved.settled(session.chosen())
    environment = runfolder.environment(
        devices=session.devices, workers=session.workers.count, precision=session.precision, deterministic=session.deterministic
    )
    data, texts = session.pipeline.report(), session.pipeline.texts
    notes = [*_left_out(data), *data["warnings"]]
    if not begun:
        runfolder.describe(run_dir, resolved, data=data, environment=environment, vocabulary=texts.vocabulary if texts else None)
        return notes
    if runfolder.check_unchanged(run_dir, resolved.values(), session.pipeline.fingerprint()):
        runfolder.describe(run_dir, resolved, data=data, environment=environment)
    before = runfolder.read_json(run_dir / runfolder.ENVIRONMENT)
    return notes + [
        f"{what} was {before.get(what)} when the run began and is {environment[what]} now; it goes on, but not with the same bits"
        for what in ("devices", "workers", "deterministic")
        if before.get(what, environment[what]) != environment[what]
    ]


def _left_out(data: Mapping[str, Any]) -> list[str]:
    """Says how many files `data.on_error: skip` left out, and which; nothing when there are none."""
    headers = [name for fault in data.get("left_out", ()) for name in fault["files"]]
    names = list(dict.fromkeys([*headers, *(name for split in data["skipped"].values() for name in split)]))
    hint = f" (all of them in {runfolder.DATA})"
    return [f"data.on_error: skip left out {words.counted(len(names), 'file')}: {words.listed(names, 5, hint)}"] if names else []


def _trainer(
    session: Session, run_dir: Path, standing: trainer.Standing, json_lines: bool, track: Sequence[str]
) -> tuple[trainer.Trainer, events.Actions]:
    """The trainer with everything that listens to it: of several workers the chief keeps the journal, and all decide on an early stop."""
    options, monitor = session.recipe.train, session.system.monitor
    journal = Journal(run_dir, epoch=standing.epoch) if session.workers.chief else None
    listeners: list[events.Action] = [journal, panel.make(as_json=json_lines)] if journal else []
    if options.early_stop_epochs is not None:
        rows = session.workers.told(journal.rows if journal else None)
        listeners.append(EarlyStop(options.early_stop_epochs, f"val/{monitor.metric}", monitor.mode, rows))
    if session.workers.chief:
        listeners += [Track(name, run_dir, lambda message: actions.on_event(events.Warned(message))) for name in track]
    actions = events.Actions(listeners)
    return trainer.Trainer(session, run_dir, actions, standing), actions


def _conclude(session: Session, run_dir: Path) -> None:
    """Weights, model, evaluation of the best weights, pictures and report; the report last, so that it says that all the rest is there.

    All workers evaluate, and the chief writes.
    """
    artifacts.write(session, run_dir)
    evaluation.write(session, run_dir)
    if session.workers.chief:
        tensorboard.write(run_dir)
        report.write(run_dir)


def _report_if_possible(run_dir: Path) -> None:
    """The report of a run that ended early; all that counts is saved, so that a fault here must not hide why it ended."""
    with contextlib.suppress(RunError):
        report.write(run_dir)


def _print_result(run_dir: Path, json_lines: bool, judged: bool) -> None:
    """The validation metrics of the best epoch on the standard output, the one that counts first."""
    read = folder.read(run_dir)
    best: Mapping[str, Any] = read.summary.get("best") or {}
    headline = read.headline
    if json_lines:
        result = {"event": "result", "run_dir": str(run_dir), "best": best, "expectation_met": headline.met if headline and judged else None}
        print(json.dumps(result), flush=True)
        return
    told = episodes.texts({name: value for name, value in best.items() if name.startswith("val/")})
    if headline is not None:
        print(f"{headline.metric} {told.pop(headline.metric, f'{headline.value:.4f}')} (best, epoch {headline.epoch} of {len(read.rows)})")
    print("  ".join(f"{name} {text}" for name, text in told.items()))
    if headline is not None and headline.met is not None and judged:  # a smoke run can't be expected to keep the recipe's promise
        print(f"expected {headline.bound} ({headline.evidence}): {'met' if headline.met else 'NOT met'}")
    expected = (read.values.get("expect") or {}).get("metric")
    if expected and read.rows and expected not in read.rows[-1]:
        columns = [name for name in read.rows[-1] if name.startswith(("val/", "train/"))]
        print(f"expect.metric: metrics.csv has no {expected!r}; it has {', '.join(columns)}{did_you_mean(expected, columns)}", file=sys.stderr)
    print(f"report: {run_dir / 'report.html'}")


def _command(
    recipe: str | Path,
    overrides: Sequence[str],
    run_dir: str | Path | None,
    deterministic: bool,
    devices: str,
    precision: str,
    track: Sequence[str],
    smoke: bool,
    data_service: str | None,
) -> str:
    """The command line that goes on with the run."""
    words = ["kvision", "train", str(recipe), *overrides]
    words += ["--run-dir", str(run_dir)] if run_dir is not None else []
    words += ["--deterministic"] if deterministic else []
    words += ["--devices", devices] if devices != "auto" else []
    words += ["--precision", precision] if precision != "fp32" else []
    words += [word for name in track for word in ("--track", name)]
    words += ["--smoke"] if smoke else []
    words += ["--data-service", data_service] if data_service is not None else []
    return shlex.join([*words, "--resume"])
