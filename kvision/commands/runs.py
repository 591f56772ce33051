"""`kvision runs list` and `kvision runs compare`: what runs there are, and how they differ. No TensorFlow."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from kvision.core import words
from kvision.core.disk import writing
from kvision.core.errors import RunError
from kvision.report import alive
from kvision.report import folder as folders

if TYPE_CHECKING:
    from collections.abc import Sequence


def list_runs(folder: str | Path = "runs", *, json_lines: bool = False) -> None:
    """Prints a table of the runs in a folder: name, system, status, best metric, epochs, time, size.

    Args:
        folder: The folder that holds the run folders.
        json_lines: One JSON object a line instead of the table.

    Raises:
        RunError: If the folder does not exist.
    """
    root = Path(folder)
    if not root.is_dir():
        raise RunError(f"{root}: no such folder; runs are written into `runs/` of the folder that `kvision train` is called in")
    found = [_facts(folders.read(path)) for path in paths(root)]
    if json_lines:
        for facts in found:
            print(json.dumps(facts))
        return
    console = Console()
    if not found:
        console.print(f"No runs in {root}; `kvision train recipes/unet.yaml` makes one.", highlight=False)
        return
    table = Table("run", "system", "status", box=None, header_style="bold", pad_edge=False)
    for heading in ("best", "epochs", "time", "size"):
        table.add_column(heading, no_wrap=True)
    for facts in found:
        best = f"{facts['metric']} {words.number(facts['value'])}" if facts["metric"] else "—"
        epochs = f"{facts['epochs']}/{words.number(facts['of_epochs'])}"
        table.add_row(facts["name"], facts["system"], facts["status"], best, epochs, words.duration(facts["seconds"]), words.size(facts["bytes"]))
    console.print(table)


def compare(runs: Sequence[str | Path], *, out: str | Path | None = None, json_lines: bool = False) -> None:
    """Prints the metrics of several runs side by side and the recipe values that differ, and writes a page with their curves.

    Runs that differ by their seed alone are also told of together, by the interquartile mean over them and its interval.

    Args:
        runs: At least two run folders.
        out: Where to write the page; none: `compare.html` in the folder that the first run lies in.
        json_lines: One JSON object instead of the tables.

    Raises:
        UsageError: If fewer than two runs are given.
        RunError: If one is not a run folder, or the page can't be written.
    """
    from kvision.report import compare as comparing  # brings matplotlib, which `runs list` need not pay for

    given = [Path(run) for run in runs]
    for run in given:
        require(run)
    found = comparing.compare(given)
    target = Path(out) if out else given[0].resolve().parent / "compare.html"
    with writing(target, "the comparison", "--out"):
        target.write_text(found.html, encoding="utf-8")
    if json_lines:
        together = [{"name": group.name, "runs": [found.names[place] for place in group.places]} for group in found.groups]
        facts = {"runs": found.names, "metrics": found.metrics, "recipe": found.recipe, "groups": together, "over_seeds": found.over_seeds}
        print(json.dumps({**facts, "page": str(target)}, default=str))
        return
    console = Console()
    for title, rows in (("at the best epoch", found.metrics), ("recipe, where it differs", found.recipe)):
        table = Table(title, *found.names, box=None, header_style="bold", pad_edge=False)
        for label, values in rows.items():
            table.add_row(label, *(words.number(value) for value in values))
        console.print(table, "")
    if found.over_seeds:
        names = (f"{group.name} ({len(group.places)})" if len(group.places) > 1 else group.name for group in found.groups)
        table = Table("seeds together", *names, box=None, header_style="bold", pad_edge=False)
        for label, estimates in found.over_seeds.items():
            table.add_row(label, *map(comparing.interval, estimates))
        console.print(table, "")
    console.print(f"Curves: {target}", highlight=False, soft_wrap=True)


def paths(root: Path) -> list[Path]:
    """The run folders right inside of a folder, in the order in which they were begun."""
    found = [path.parent for path in root.glob("*/resolved.json")] if root.is_dir() else []
    return sorted(found, key=lambda path: (path.joinpath("resolved.json").stat().st_mtime, path.name))


def require(run: Path) -> None:
    """Sees to it that a path is a run folder.

    Args:
        run: What the user gave.

    Raises:
        RunError: If it is not; names the runs that exist and the one that was perhaps meant.
    """
    if (run / "resolved.json").is_file():
        return
    from kvision.core import names  # brings rapidfuzz, for mistakes only

    known = [str(path) for path in paths(run.parent)] or [str(path) for path in paths(Path("runs"))]
    listed = f"runs that exist: {', '.join(known[-8:])}" if known else "there are no runs here yet; `kvision train RECIPE` makes one"
    if run.suffix in (".yaml", ".yml") and run.is_file():
        raise RunError(f"{run}: is a recipe, expected a run; train it first with `kvision train {run}`, which says where the run is; {listed}")
    what = "is not a run folder (it holds no resolved.json)" if run.exists() else "no such run"
    raise RunError(f"{run}: {what}; {listed}{names.did_you_mean(str(run), known)}")


def _facts(run: folders.RunFolder) -> dict[str, Any]:
    """What the table shows of a run, as plain JSON values."""
    headline = run.headline
    value = headline.value if headline and math.isfinite(headline.value) else None
    return {
        "name": run.name,
        "path": str(run.path),
        "system": run.system,
        "status": alive.status(run),
        "metric": headline.metric if headline else None,
        "value": value,
        "expected": headline.met if headline else None,
        "epochs": int(run.rows[-1]["epoch"]) if run.rows else 0,
        "of_epochs": (run.values.get("train") or {}).get("epochs"),
        "seconds": run.summary.get("seconds"),
        "bytes": sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file()),
    }
