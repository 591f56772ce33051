"""The pages: what each one shows of the library, before a template makes HTML of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import jinja2
import numpy as np

from kvision.core import words
from kvision.core.errors import UsageError
from kvision.report import alive, compare, confusion, curves, gallery, page, seeds
from kvision.ui import exports, live

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kvision.report.folder import RunFolder
    from kvision.ui.library import Found, Library, Run

MOST_COMPARED = 8
"""Runs side by side; there are as many colours."""
_MOST_CLASSES = 40
_SHADES = 10
SORTS: Mapping[str, Callable[[Run], Any]] = {
    "newest": lambda run: 0,
    "name": lambda run: run.name,
    "highest": lambda run: -run.headline.value if run.headline else np.inf,
    "lowest": lambda run: run.headline.value if run.headline else np.inf,
    "longest": lambda run: -(run.seconds or 0),
}
"""How the list may be sorted; as it comes, the run begun last is the first."""


@dataclass(frozen=True)
class Matrix:
    """A confusion matrix as a table.

    Attributes:
        names: Of the classes shown.
        rows: Name of the true class, and for each class called a count, its share of the row in words, and a shade from 0 to 10.
        left_out: Classes that are not shown.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[tuple[int, str, int], ...]], ...]
    left_out: int


def environment() -> jinja2.Environment:
    """The templates of the pages; everything that comes from a run is escaped."""
    made = page.environment()
    made.loader = jinja2.PackageLoader("kvision.ui")
    made.filters.update(size=words.size, short=page.short)
    return made


def runs(found: Found, query: Mapping[str, str]) -> dict[str, Any]:
    """The list of runs.

    Args:
        found: What lies under the folder.
        query: `q`: words that must all be found in the name, system or status; `status`; `sort`: one of `SORTS`.

    Returns:
        What the template takes.
    """
    wanted, status = query.get("q", "").lower().split(), query.get("status", "")
    sort = query.get("sort", "")
    sort = sort if sort in SORTS else "newest"
    listed = [run for run in found.runs.values() if all(word in f"{run.name} {run.facts.system} {run.status}".lower() for word in wanted)]
    listed = sorted((run for run in listed if status in ("", run.status)), key=SORTS[sort])
    statuses = sorted({run.status for run in found.runs.values()} | ({status} if status else set()))
    chosen = {"q": query.get("q", ""), "status": status, "sort": sort}
    return {"runs": listed, "found": found, "statuses": statuses, "sorts": list(SORTS), "chosen": chosen}


def run(library: Library, found: Found, chosen: Run, other: str) -> dict[str, Any]:
    """The page of one run.

    Args:
        library: Where it is.
        found: What lies there.
        chosen: The run.
        other: Name of a run whose recipe it is compared with; empty: none.

    Returns:
        What the template takes.
    """
    facts = chosen.facts
    tables = facts.evaluation.get("tables") or {}

    def picture(file: str) -> str:
        return f"/picture/{quote(chosen.name)}?file={quote(file, safe='')}" if library.picture(chosen, file) else ""

    against = found.runs.get(other)
    theirs = compare.differences([facts, against.facts]) if against else {}
    return {
        "run": chosen,
        "facts": page.facts(facts),
        "progress": live.progress(facts.path) if chosen.status == alive.RUNNING else {},
        "stage": stage(chosen),
        "galleries": gallery.galleries(facts, picture),
        "metrics": facts.evaluation.get("metrics") or {},
        "per_class": page.per_class(tables.get("per_class") or {}, facts.class_names),
        "confusion": matrix(tables.get("confusion"), facts.class_names),
        "recipe": page.options(facts),
        "others": [name for name in found.runs if name != chosen.name],
        "against": against.name if against else "",
        "differences": theirs,
        "bundles": [exports.read(name, folder) for name, folder in found.bundles.items() if facts.path in folder.parents],
        "commands": page.commands(facts),
        "quoted": shlex.quote(str(facts.path)),
        "has_report": (facts.path / exports.REPORT).is_file(),
    }


def stage(chosen: Run) -> str:
    """A word that changes when a page that is open should be loaded again: the run ended, was evaluated, has its report."""
    written = [name for name in ("evaluation.json", exports.REPORT) if (chosen.facts.path / name).is_file()]
    return ".".join([chosen.status, *(name.partition(".")[0] for name in written)])


def compared(found: Found, names: Sequence[str]) -> dict[str, Any]:
    """The page of several runs.

    Args:
        found: What lies under the folder.
        names: Of the runs; those that are none are left aside.

    Returns:
        What the template takes.

    Raises:
        UsageError: If there are too many.
    """
    chosen = [found.runs[name] for name in dict.fromkeys(names) if name in found.runs]
    if len(chosen) > MOST_COMPARED:
        raise UsageError(f"{len(chosen)} runs are chosen; at most {MOST_COMPARED} can be compared at a time: choose fewer")
    if len(chosen) < 2:
        return {"runs": chosen, "found": found, "metrics": {}, "recipe": {}, "groups": [], "over_seeds": {}}
    facts = [run.facts for run in chosen]
    metrics, groups = compare.at_best(facts), seeds.groups(facts, [run.name for run in chosen])
    together = {name: [compare.interval(value) for value in values] for name, values in compare.by_group(metrics, groups).items()}
    return {"runs": chosen, "found": found, "metrics": metrics, "recipe": compare.differences(facts), "groups": groups, "over_seeds": together}


def panels(facts: RunFolder) -> list[dict[str, Any]]:
    """Which columns are drawn together, as the report draws them."""
    return [{"title": panel.title, "columns": panel.columns} for panel in curves.panels(facts.rows)]


def matrix(counts: Any, names: Sequence[str]) -> Matrix | None:
    """A confusion matrix as a table; of many classes, those that are found least. None where there is no matrix of these classes."""
    table = np.asarray(counts if isinstance(counts, list) else [])
    if not len(names) or table.shape != (len(names), len(names)):
        return None
    share = confusion.shares(table)
    kept = list(range(len(names)))
    if len(names) > _MOST_CLASSES:
        kept = sorted(np.argsort(np.diag(share), kind="stable")[:_MOST_CLASSES].tolist())
    rows = []
    for row in kept:
        cells = ((int(table[row, column]), float(np.nan_to_num(share[row, column]))) for column in kept)
        rows.append((names[row], tuple((count, words.percent(part), int(np.ceil(_SHADES * part**0.7))) for count, part in cells)))
    return Matrix(tuple(names[k] for k in kept), tuple(rows), len(names) - len(kept))
