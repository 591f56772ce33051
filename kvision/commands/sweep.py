"""`kvision sweep`: searches for the values with which a recipe is best. No TensorFlow here; the trainings are processes of their own."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kvision import catalog
from kvision.core import words
from kvision.core.errors import UsageError
from kvision.engine.signals import StopRequest
from kvision.engine.system import Monitor
from kvision.sweep import outcome, progress, propose, space, terms
from kvision.sweep.folder import claim
from kvision.sweep.plan import Plan
from kvision.sweep.ranges import Range
from kvision.sweep.study import Study
from kvision.sweep.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.core.resolved import Resolved

MOST_ROWS = 10


def run(
    recipe: str,
    texts: Sequence[str],
    *,
    space_file: str | None = None,
    study: str | None = None,
    metric: str | None = None,
    mode: str | None = None,
    json_lines: bool = False,
    **options: Any,
) -> int:
    """Searches, or goes on searching.

    Args:
        recipe: A recipe's file or the name of a shipped one.
        texts: `key=log(1e-4, 1e-1)` and the like, and `key=value` for what is held.
        space_file: A YAML file with more of them.
        study: The folder; none: `runs/sweeps/<recipe>`.
        metric: Column of metrics.csv that counts; none: the system's monitor.
        mode: `max` or `min`; none: the monitor's.
        json_lines: Progress and result as JSON lines on the standard output.
        **options: Further attributes of `Plan`.

    Returns:
        The exit code: 0 done, 1 no trial has finished, 130 or 143 stopped by SIGINT or SIGTERM.

    Raises:
        RecipeError: With every fault of the recipe and the space, before anything is trained.
        UsageError: If options do not fit together, Optuna is missing, or the folder holds something else.
        RunError: If the trainings crash, or nothing can be written.
    """
    searched = space.read(texts, space_file)
    held = space.check(recipe, searched, options.get("smoke", False))
    monitor = _monitor(held, metric, mode)
    folder = Path(study) if study is not None else Path("runs") / "sweeps" / held.path.stem
    plan = _fitted(Plan(recipe, held, searched, folder, monitor.metric, monitor.mode, **options))
    terms.library()
    claim(folder, "sweep", "--study")
    kept = Study(plan)
    with terms.storing(folder), StopRequest() as stop, progress.make(plan.metric, plan.trials, as_json=json_lines) as shown:
        shown.say(f"{plan.recipe}: {plan.method} search for {plan.mode} {plan.metric}, {words.counted(plan.trials, 'trial')}, into {folder}")
        try:
            Worker(plan, kept, shown, stop).run()
        finally:
            found = outcome.conclude(plan, kept.trials(), kept.importance())
            written = _report(found)
    _print(found, written, json_lines)
    if stop.signal is not None:
        print("the sweep is not done; the same command goes on with it", file=sys.stderr)
        return 128 + stop.signal
    return 0 if found.ranked else 1


def _monitor(held: Resolved, metric: str | None, mode: str | None) -> Monitor:
    """What counts, as asked for or as the system says."""
    own = catalog.system(held.recipe.system).monitor
    column = metric or f"val/{own.metric}"
    if not column.startswith("val/"):
        raise UsageError(f"--metric: got {column!r}, expected a column of metrics.csv measured on validation examples, such as val/{own.metric}")
    if mode is None and column not in (f"val/{own.metric}", "val/loss"):
        raise UsageError(f"--metric {column}: whether its greatest or its smallest value is the best can't be told; say --mode max or --mode min")
    direction = mode or ("min" if column == "val/loss" else own.mode)
    return Monitor(column, "min" if direction == "min" else "max")


def _fitted(plan: Plan) -> Plan:
    """The plan with no more trials than there are sets of values, if it hangs together."""
    parameters = plan.space.parameters
    if plan.method == "grid":
        endless = [path for path, parameter in parameters.items() if parameter.grid is None]
        if endless:
            texts = ", ".join(f"{path}={parameters[path]}" for path in endless)
            raise UsageError(f"--method grid: {texts} has endlessly many values; say how many to try as a third number, such as log(1e-4, 1e-1, 4)")
        size = propose.grid_size(parameters)
        if size > propose.MOST_SETS:
            raise UsageError(f"--method grid: {size:,} sets of values, expected at most {propose.MOST_SETS:,}; give steps, such as int(0, 100, 10)")
        return dataclasses.replace(plan, trials=min(plan.trials, size))
    pointed = [f"{path}={parameter}" for path, parameter in parameters.items() if isinstance(parameter, Range) and parameter.points]
    if pointed:
        raise UsageError(f"{', '.join(pointed)}: a number of points has a meaning with --method grid only; take it out, or search a grid")
    return plan if plan.space.size is None else dataclasses.replace(plan, trials=min(plan.trials, plan.space.size))


def _report(found: outcome.Outcome) -> Path:
    from kvision.report import sweep  # brings matplotlib, which a faulty command need not pay for

    return sweep.write(found)


def _print(found: outcome.Outcome, written: Path, json_lines: bool) -> None:
    """The best trials, and what to do next."""
    if json_lines:
        print(json.dumps({"event": "result", **outcome.describe(found), "page": str(written)}), flush=True)
        return
    console = Console()
    if found.ranked:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for heading in ("trial", found.metric, "epochs", "time"):
            table.add_column(heading, no_wrap=True)
        table.add_column("values", overflow="fold")
        for trial in found.ranked[:MOST_ROWS]:
            facts = (str(trial.number), words.number(trial.result), str(trial.epochs), words.duration(trial.seconds))
            table.add_row(*facts, Text(progress.listed(trial.values)))
        console.print(table)
    said = [
        ", ".join(f"{count} {state}" for state, count in found.counts.items()) or "no trial has ended",
        *(["importance: " + ", ".join(f"{path} {words.percent(share)}" for path, share in found.importance.items())] if found.importance else []),
        *found.edges,
        f"best recipe: kvision train {found.folder / outcome.BEST}" if found.ranked else f"no trial has finished; see {found.folder / 'logs'}",
        f"report: {written}",
    ]
    for line in said:
        console.print(line, highlight=False, soft_wrap=True, markup=False)
