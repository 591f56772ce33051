"""Several runs side by side: their metrics, the recipe values in which they differ, and their curves; seeds of one recipe as a band."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from kvision.core import words
from kvision.core.errors import UsageError
from kvision.report import curves, figures, folder, page, seeds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import markupsafe

_MISSING = "(not in it)"
_MOST_PANELS = 12


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        names: N names of runs, unique.
        metrics: Column of metrics.csv -> N values, each at its run's best epoch; none where a run has no such column.
        recipe: Dotted path -> N values, of the values that are not the same in all runs.
        groups: The runs, those together that differ by their seed alone.
        over_seeds: Column of metrics.csv -> what the runs of each group say together; empty where each run is a group of its own.
        html: A page with both tables and the curves, self-contained.
    """

    names: tuple[str, ...]
    metrics: dict[str, tuple[float | None, ...]]
    recipe: dict[str, tuple[Any, ...]]
    groups: tuple[seeds.Group, ...]
    over_seeds: dict[str, tuple[seeds.Estimate | None, ...]]
    html: str


def compare(runs: Sequence[Path]) -> Comparison:
    """Puts runs side by side.

    Args:
        runs: At least two run folders, finished or not.

    Returns:
        The comparison.

    Raises:
        UsageError: If there are fewer than two.
        RunError: If one is not a run folder.
    """
    if len(runs) < 2:
        raise UsageError(f"{len(runs)} run given; a comparison takes two or more, e.g. `kvision runs compare runs/a runs/b`")
    read = [folder.read(path) for path in runs]
    names = _unique(read)
    metrics, recipe, groups = at_best(read), differences(read), seeds.groups(read, names)
    over_seeds = by_group(metrics, groups)
    colours = {place: colour for group, colour in zip(groups, figures.COLOURS * len(names), strict=False) for place in group.places}
    html = (
        page.environment()
        .get_template("compare.html.j2")
        .render(
            names=[(name, colours[place]) for place, name in enumerate(names)],
            groups=groups,
            metrics=metrics,
            over_seeds={name: [interval(value) for value in values] for name, values in over_seeds.items()},
            recipe={path: [page.short(value) for value in values] for path, values in recipe.items()},
            curves=_svgs(read, groups),
        )
    )
    return Comparison(names, metrics, recipe, tuple(groups), over_seeds, html)


def interval(found: seeds.Estimate | None) -> str:
    """`475 (460 to 488)`; one number where there is one run."""
    if found is None:
        return words.number(None)
    value, low, high = (words.number(each) for each in found)
    return value if low == high else f"{value} ({low} to {high})"


def _unique(runs: Sequence[folder.RunFolder]) -> tuple[str, ...]:
    names = [run.name for run in runs]
    return tuple(name if names.count(name) == 1 else str(run.path) for run, name in zip(runs, names, strict=True))


def at_best(runs: Sequence[folder.RunFolder]) -> dict[str, tuple[float | None, ...]]:
    """Each run's row of metrics.csv at the epoch of its headline, column by column."""
    rows: list[folder.Row] = []
    for run in runs:
        epoch = run.headline.epoch if run.headline else None
        rows.append(next((row for row in run.rows if row["epoch"] == epoch), {}))
    columns = dict.fromkeys(name for row in rows for name in row if name not in ("lr", "step"))
    finite = [{name: value for name, value in row.items() if math.isfinite(value)} for row in rows]
    return {name: tuple(row.get(name) for row in finite) for name in columns}


def differences(runs: Sequence[folder.RunFolder]) -> dict[str, tuple[Any, ...]]:
    """Dotted path -> one value a run, of the recipe values that are not the same in all."""
    found = [dict(run.leaves()) for run in runs]
    paths = dict.fromkeys(path for values in found for path in values)
    columns = {path: tuple(values.get(path, _MISSING) for values in found) for path in paths}
    return {path: values for path, values in columns.items() if any(value != values[0] for value in values)}


def by_group(metrics: dict[str, tuple[float | None, ...]], groups: Sequence[seeds.Group]) -> dict[str, tuple[seeds.Estimate | None, ...]]:
    """What the runs of each group say together, of the columns of `at_best`; empty where each run is a group of its own."""
    if all(len(group.places) == 1 for group in groups):
        return {}
    return {name: tuple(seeds.estimate(metrics[name][place] for place in group.places) for group in groups) for name in curves.told(metrics)}


def _svgs(runs: Sequence[folder.RunFolder], groups: Sequence[seeds.Group]) -> list[markupsafe.Markup]:
    columns = dict.fromkeys(name for run in runs for name in curves.told(run.rows[0] if run.rows else ()) if name not in ("epoch", "step"))
    found = []
    for place, column in enumerate(sorted(columns, key=lambda name: name == "lr")[:_MOST_PANELS]):
        with figures.style():
            figure = Figure(figsize=(4.6, 3.1), layout="constrained")
            axes = figure.add_subplot()
            for group, colour in zip(groups, figures.COLOURS * len(groups), strict=False):
                points = seeds.curve([runs[number] for number in group.places], column)
                axes.plot(list(points), [each.value for each in points.values()], color=colour, label=group.name, marker="o", markersize=3)
                if len(group.places) > 1:
                    low, high = ([each[end] for each in points.values()] for end in (1, 2))
                    axes.fill_between(list(points), low, high, color=colour, alpha=0.18, linewidth=0)
            axes.set_title(column)
            curves.epochs(axes, max((run.rows for run in runs), key=len))
            found.append(figures.to_svg(figure, f"compare{place}"))
    return found
