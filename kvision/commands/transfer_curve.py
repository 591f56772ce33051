"""`kvision transfer-curve`: what weights from elsewhere are worth, by the number of examples. The trainings are processes of their own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from kvision.commands.trainings import Told
from kvision.core import paths, words
from kvision.core.disk import writing
from kvision.core.errors import UsageError
from kvision.core.names import did_you_mean
from kvision.engine.runfolder import write_json
from kvision.engine.signals import StopRequest
from kvision.sweep import queue, transfer
from kvision.sweep.folder import claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.sweep.queue import Task

CURVES = "curves.json"
PUBLISHED = "imagenet"


def run(
    recipe: str,
    overrides: Sequence[str] = (),
    *,
    weights: str | None = None,
    methods: str = "scratch,linear_probe,knn,fine_tune",
    samples: str = "1,5,10,50,all",
    out: str | None = None,
    jobs: int = 1,
    json_lines: bool = False,
    **options: Any,
) -> int:
    """Trains what is not trained yet, and draws the curves.

    Args:
        recipe: A recipe's file or the name of a shipped one.
        overrides: As of `transfer.Plan`.
        weights: A run's folder, a file of weights, or `imagenet`; none: as the recipe says.
        methods: Names of `transfer.METHODS`, commas between them.
        samples: Training examples of each class, or `all`, commas between them.
        out: The folder; none: `runs/transfer/<recipe>`.
        jobs: Trainings at a time.
        json_lines: Progress and result as JSON lines on the standard output.
        **options: Further attributes of `transfer.Plan`.

    Returns:
        The exit code: 0 done, 1 a training has failed, 130 or 143 stopped by SIGINT or SIGTERM.

    Raises:
        KvisionError: For whatever is the user's to mend.
    """
    folder = Path(out) if out is not None else Path("runs") / "transfer" / paths.find_recipe(recipe).stem
    begin = None if weights is None else weights if weights == PUBLISHED else str(Path(weights).expanduser().resolve())
    plan = transfer.Plan(recipe, overrides, begin, _methods(methods), _samples(samples), folder=folder, **options)
    tasks = transfer.check(plan)
    claim(folder, "transfer-curve", "--out")
    with StopRequest() as stop, writing(folder, "the transfer curve", "--out"):
        told = Told(sum(not queue.is_done(folder, task) for task in tasks), json_lines, stop)
        try:
            queue.work(folder, tasks, jobs, stop, told)
        finally:
            found, page = _conclude(plan, tasks)
    if json_lines:
        print(json.dumps({"event": "result", **found.facts(), "page": str(page)}), flush=True)
    else:
        _print(found, page)
    if stop.signal is not None:
        print("the curves are not done; the same command goes on with them", file=sys.stderr)
        return 128 + stop.signal
    return 1 if found.missing else 0


def _methods(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in transfer.METHODS:
            raise UsageError(f"--methods: got {name!r}, expected some of {', '.join(transfer.METHODS)}{did_you_mean(name, transfer.METHODS)}")
    return list(dict.fromkeys(names))


def _samples(text: str) -> list[int | None]:
    """The numbers, rising, `all` last."""
    found: set[int] = set()
    words_ = [word.strip() for word in text.split(",")]
    for word in words_:
        if word != transfer.ALL and not (word.isdecimal() and int(word) > 0):
            raise UsageError(f"--samples: got {word!r}, expected whole numbers from 1 on, or {transfer.ALL}, such as 1,5,10,50,{transfer.ALL}")
        found |= {int(word)} if word != transfer.ALL else set()
    return [*sorted(found), *([None] if transfer.ALL in words_ else [])]


def _conclude(plan: transfer.Plan, tasks: Sequence[Task]) -> tuple[transfer.Curves, Path]:
    from kvision.report import transfer as report  # brings matplotlib, which a faulty command need not pay for

    found = transfer.conclude(plan, tasks)
    write_json(plan.folder / CURVES, found.facts())
    return found, report.write(found, plan.folder)


def _print(found: transfer.Curves, page: Path) -> None:
    """The table of errors."""
    from kvision.report import transfer as report

    console = Console()
    headings, rows = report.table(found)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(f"error: 1 - {found.metric}", highlight=False)
    console.print(table)
    if found.missing:
        console.print(f"not done: {words.listed(found.missing, 5)}; see {page.parent / 'logs'}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"report: {page}", highlight=False, soft_wrap=True, markup=False)
