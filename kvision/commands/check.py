"""`kvision check`: the sanity tests of a recipe before it is trained for long. Leaves nothing behind unless it is asked to."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from kvision import catalog
from kvision.core import words
from kvision.core.jsonable import jsonable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.engine.sanity.verdict import Verdict

_STYLES = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}


def run(
    recipe: str | Path,
    overrides: Sequence[str] = (),
    *,
    quick: bool = False,
    smoke: bool = False,
    out: str | Path | None = None,
    json_lines: bool = False,
) -> int:
    """Runs the tests and prints what each of them measured, what is accepted, and what to try where something is wrong.

    Args:
        recipe: A file, or the name of a shipped recipe.
        overrides: `key=value` texts.
        quick: Fewer steps: sees less, in a third of the time.
        smoke: Whether the recipe's `smoke` section is applied.
        out: A folder for check.html, check.json and pictures; none: nothing is written.
        json_lines: One JSON object a test instead of the table.

    Returns:
        The exit code: 1 if a test fails, else 0; a warning is no failure.

    Raises:
        RecipeError: With every problem of the recipe.
        DataError: If the data can't be used.
        RunError: If `out` can't be written.
    """
    resolved = catalog.load(recipe, overrides, smoke)
    tiny = catalog.load(recipe, overrides, smoke=True) if resolved.recipe.smoke else None
    print("building data and model …", file=sys.stderr, flush=True)
    from kvision.engine.sanity import suite

    made, budget = resolved.recipe, suite.QUICK if quick else suite.Budget()
    small = None if tiny is None else (tiny, catalog.source(tiny.recipe.data.source))
    verdicts: list[Verdict] = []
    for verdict in suite.run(resolved, catalog.system(made.system), catalog.source(made.data.source), tiny=small, budget=budget):
        verdicts.append(verdict)
        if json_lines:
            print(json.dumps(jsonable(asdict(verdict))), flush=True)
        else:
            print(f"{verdict.name}: {verdict.status}", file=sys.stderr, flush=True)
    if not json_lines:
        show(verdicts)
    if out is not None:
        from kvision.report import sanity

        sanity.write(Path(out), resolved.path.stem, made.system, [jsonable(asdict(verdict)) for verdict in verdicts])
    return int(any(verdict.status == "fail" for verdict in verdicts))


def show(verdicts: Sequence[Verdict]) -> None:
    """Prints the table, and below it a line that says how many tests failed."""
    table = Table("", "test", box=None, header_style="bold", pad_edge=False)
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("accepted", no_wrap=True)
    table.add_column("what it says", overflow="fold")
    for verdict in verdicts:
        style = _STYLES[verdict.status]
        measured = "" if verdict.value is None else words.number(verdict.value)
        table.add_row(f"[{style}]{verdict.status}[/]", verdict.name, measured, words.between(verdict.low, verdict.high), verdict.message)
    console = Console()
    console.print(table, "")
    counts = {status: sum(verdict.status == status for verdict in verdicts) for status in _STYLES}
    told = [words.counted(counts["fail"], "test") + " failed"] if counts["fail"] else ["nothing is wrong"]
    told += [words.counted(counts["warn"], "warning")] if counts["warn"] else []
    told += [f"{counts['skip']} skipped"] if counts["skip"] else []
    console.print(f"{', '.join(told)}; {counts['pass']} of {len(verdicts)} passed", highlight=False)
