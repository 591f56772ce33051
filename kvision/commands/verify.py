"""`kvision verify`: trains a recipe again, and holds what comes of it against what the recipe expects and its receipt tells."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from kvision import catalog
from kvision.commands.trainings import Told
from kvision.core import paths, words
from kvision.core.disk import writing
from kvision.core.errors import UsageError
from kvision.engine.signals import StopRequest
from kvision.report import folder, receipt
from kvision.sweep import queue
from kvision.sweep.folder import claim
from kvision.sweep.plan import TRAIN
from kvision.sweep.queue import Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.core.resolved import Resolved
    from kvision.report.receipt import Receipt

UNITS = {"s": 1, "min": 60, "h": 3600}
NEW = Path("runs/verify")
"""Folder of the trainings where none is named; with a number behind it where there is one already, for to verify is to train anew."""
_WIDTH = 160
"""Of the table at most, characters, for its figures are not to be cut."""
EXPORT = (*TRAIN[:-1], "export")


@dataclass(frozen=True)
class Plan:
    """What is to be verified, and how.

    Attributes:
        out: Folder of the trainings; what is done there is not done again.
        seeds: How many trainings, from the recipe's own seed on.
        precision: Of the trainings; none: that of the receipt's first, or else fp32.
        devices: As of `kvision train`.
        export: Whether the first training is exported, too.
        write: Whether receipts are written.
        json_lines: Result as JSON lines.
        train: The program that trains.
    """

    out: Path
    seeds: int = 1
    precision: str | None = None
    devices: str = "auto"
    export: bool = False
    write: bool = False
    json_lines: bool = False
    train: Sequence[str] = TRAIN


@dataclass(frozen=True)
class Verdict:
    """What came of one training.

    Attributes:
        recipe: Its name.
        seed: `train.seed`.
        precision: Of the training.
        metric: Column of metrics.csv.
        value: At the best epoch.
        bound: What the recipe expects, in words; empty: nothing.
        met: Whether it is so; none where nothing is expected.
        receipt: The receipt's value for this seed and precision; none: there is none.
        deviation: How much more it is now.
        seconds: Wall time of the epochs.
        receipt_seconds: The receipt's.
        same_data: Whether the data is that of the receipt; none where that is not known.
    """

    recipe: str
    seed: int
    precision: str
    metric: str
    value: float
    bound: str
    met: bool | None
    receipt: float | None
    deviation: float | None
    seconds: float
    receipt_seconds: float | None
    same_data: bool | None


def run(recipe: str | None, plan: Plan, *, under: str | None = None, runs: Sequence[str] = ()) -> int:
    """Verifies one recipe, or all that take little time.

    Args:
        recipe: A recipe's file or the name of a shipped one; none: those that `under` says.
        plan: How.
        under: A time such as `5min`: every shipped recipe whose receipt says that it takes less.
        runs: Finished runs of the recipe that are judged in place of new ones.

    Returns:
        The exit code: 0 all is as expected, 1 something is not or a training has failed, 130 or 143 stopped by SIGINT or SIGTERM.

    Raises:
        KvisionError: For whatever is the user's to mend.
    """
    if (recipe is None) == (under is None):
        raise UsageError("give a RECIPE, or --under TIME for every shipped one whose receipt says that it takes less, such as --under 5min")
    if runs and recipe is None:
        raise UsageError("--run is a run of one recipe; give that RECIPE instead of --under")
    names: Sequence[str | Path] = [recipe] if recipe is not None else _quick(_seconds(under or ""))
    code = 0
    with StopRequest() as stop:
        for name in names:
            code = max(code, _verify(name, plan, runs, stop))
            if stop.signal is not None:
                print(f"not all is verified; go on with --out {plan.out}", file=sys.stderr)
                return 128 + stop.signal
    return code


def _verify(given: str | Path, plan: Plan, runs: Sequence[str], stop: StopRequest) -> int:
    resolved = catalog.load(given)
    name, known = paths.title(resolved.path), receipt.read(resolved.path)
    if known is not None and (other := receipt.changed(known.values, resolved)):
        listed = "; ".join(f"{path}: {then!r} then, {now!r} now" for path, (then, now) in other.items())
        print(f"{name}: the recipe has changed since its receipt ({listed}), which does not count any more", file=sys.stderr)
        known = None
    folders = [Path(run) for run in runs] or _train(name, resolved, known, plan, stop)
    done = [folder.read(path) for path in folders]
    if stop.signal is not None or not done:
        return 1
    expect = resolved.recipe.expect
    found = receipt.make(resolved, expect.metric if expect else str(done[0].started["monitor"]), done)
    verdicts = _judge(name, resolved, found, known)
    _print(verdicts, plan.json_lines)
    if plan.write:
        print(f"receipt: {receipt.write(resolved.path, receipt.joined(known, found))}", file=sys.stderr)
    missing = 0 if runs else plan.seeds - len(done)
    return 1 if missing or any(verdict.met is False for verdict in verdicts) else 0


def _train(name: str, resolved: Resolved, known: Receipt | None, plan: Plan, stop: StopRequest) -> list[Path]:
    """Trains what is not trained yet; the run folders of what is done."""
    place = plan.out / name
    precision = plan.precision or (known.trials[0].precision if known else "fp32")
    tasks = []
    for seed in range(resolved.recipe.train.seed, resolved.recipe.train.seed + plan.seeds):
        run = f"seed{seed}-{precision}"
        options = ["--run-dir", str(place / run), "--resume", "--devices", plan.devices, "--precision", precision]
        text = f"{receipt.SEED}={seed}"
        tasks.append(Task(run, [*plan.train, str(resolved.path), text, *options], catalog.load(resolved.path, [text]).values()))
    claim(place, "verify", "--out")
    with writing(place, "the trainings", "--out"):
        left = sum(not queue.is_done(place, task) for task in tasks)
        print(f"{name}: {words.counted(left, 'training')} to do, in {place}", file=sys.stderr)
        queue.work(place, tasks, 1, stop, Told(left, plan.json_lines, stop))
    done = [place / task.name for task in tasks if queue.is_done(place, task)]
    if plan.export and done and stop.signal is None and not (done[0] / receipt.PROOF).is_file():
        print(f"{name}: exporting {done[0]}", file=sys.stderr)
        subprocess.run([*EXPORT, str(done[0])], check=False, stdout=sys.stderr)  # what it could not make or prove, it says itself, and proof.json
    return done


def _judge(name: str, resolved: Resolved, found: Receipt, known: Receipt | None) -> list[Verdict]:
    expect, verdicts = resolved.recipe.expect, []
    for trial in found.trials:
        before = known.trial(trial.seed, trial.precision) if known else None
        verdicts.append(
            Verdict(
                name,
                trial.seed,
                trial.precision,
                found.metric,
                trial.value,
                bound=words.between(expect.at_least, expect.at_most) if expect else "",
                met=receipt.met(expect, trial.value),
                receipt=before.value if before else None,
                deviation=trial.value - before.value if before else None,
                seconds=trial.seconds,
                receipt_seconds=before.seconds if before else None,
                same_data=before.fingerprint == trial.fingerprint if before else None,
            )
        )
    return verdicts


def _print(verdicts: Sequence[Verdict], json_lines: bool) -> None:
    if json_lines:
        for verdict in verdicts:
            print(json.dumps({"event": "verdict", **asdict(verdict)}), flush=True)
        return
    console = Console(soft_wrap=True, width=_WIDTH)
    headings = ("recipe", "seed", "precision", verdicts[0].metric, "expected", "receipt", "deviation", "time")
    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for each in verdicts:
        expected = f"{each.bound}: {'met' if each.met else 'NOT met'}" if each.bound else "nothing"
        before = words.number(each.receipt) + (" (other data)" if each.same_data is False else "")
        deviation = f"{each.deviation:+.3g}" if each.deviation is not None else words.number(None)
        time = words.duration(each.seconds) + (f" (receipt: {words.duration(each.receipt_seconds)})" if each.receipt_seconds is not None else "")
        table.add_row(each.recipe, str(each.seed), each.precision, words.number(each.value), expected, before, deviation, time)
    console.print(table)


def _quick(seconds: float) -> list[Path]:
    """The shipped recipes whose receipts say that every training took less, the quickest first."""
    times = {}
    for file in paths.shipped().values():
        kept = receipt.read(file)
        if kept is not None:
            times[file] = max(trial.seconds for trial in kept.trials)
    found = sorted((file for file, time in times.items() if time < seconds), key=times.__getitem__)
    if not found:
        raise UsageError(f"no shipped recipe has a receipt that says it takes less than {words.duration(seconds)}; `kvision zoo` tells the times")
    return found


def _seconds(text: str) -> float:
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(s|min|h)", text)
    if match is None:
        raise UsageError(f"--under {text}: expected a number and one of {', '.join(UNITS)}, such as 90s or 5min")
    return float(match[1]) * UNITS[match[2]]
