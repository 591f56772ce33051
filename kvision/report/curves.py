"""Loss, metrics and learning rate over the epochs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from kvision.metrics import episodes
from kvision.report import figures

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import markupsafe

    from kvision.report.folder import Row

FEW = 3
"""Columns whose legend finds room among the curves."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes: a title and the columns of metrics.csv that share its scale."""

    title: str
    columns: tuple[str, ...]


def panels(rows: Sequence[Row]) -> list[Panel]:
    """Which columns are drawn together: losses; metrics within 0..1, at most eight a panel; each other column alone; the rate last."""
    columns = [name for name in told(rows[0] if rows else ()) if name not in ("epoch", "step", "lr")]
    losses = tuple(name for name in columns if name.rpartition("/")[2] == "loss")
    rest = [name for name in columns if name not in losses]
    shares = [name for name in rest if name.startswith("val/") and all(0 <= row[name] <= 1 for row in rows if math.isfinite(row.get(name, math.nan)))]
    size = len(figures.COLOURS)
    groups = [("Loss", losses)] if losses else []
    groups += [("Validation", tuple(shares[start : start + size])) for start in range(0, len(shares), size)]
    groups += [(name, (name,)) for name in rest if name not in shares]
    groups += [("Learning rate", ("lr",))] if rows and "lr" in rows[0] else []
    return [Panel(title, names) for title, names in groups]


def told(names: Collection[str]) -> list[str]:
    """The columns without the ends of intervals, which belong to the value that they stand around."""
    return [name for name in names if not any(name.endswith(end) and name.removesuffix(end) in names for end in (episodes.LOW, episodes.HIGH))]


def plot(axes: Any, panel: Panel, rows: Sequence[Row]) -> None:
    """Draws one panel; values that are not finite leave a gap, intervals are bands."""
    for name, colour in zip(panel.columns, figures.COLOURS, strict=False):
        label = name.removeprefix("val/") if panel.title == "Validation" else name
        across = [row["epoch"] for row in rows]
        axes.plot(across, [row.get(name, math.nan) for row in rows], color=colour, label=label, marker="o", markersize=3)
        if f"{name}{episodes.LOW}" in rows[0]:
            low, high = ([row.get(f"{name}{end}", math.nan) for row in rows] for end in (episodes.LOW, episodes.HIGH))
            axes.fill_between(across, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.set_title(panel.title)
    epochs(axes, rows)
    if len(panel.columns) > 1:
        beside = len(panel.columns) > FEW  # a long legend would cover the curves
        axes.legend(**({"loc": "upper center", "bbox_to_anchor": (0.5, -0.2), "ncols": 3} if beside else {"loc": "best"}), handlelength=1.2)


def epochs(axes: Any, rows: Sequence[Row]) -> None:
    """Names the axis, with whole numbers only; a single epoch stands in the middle."""
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    if len(rows) == 1:
        axes.set_xlim(rows[0]["epoch"] - 1, rows[0]["epoch"] + 1)


def save(rows: Sequence[Row], path: Path) -> None:
    """Writes all panels as one PNG, two in a row.

    Args:
        rows: metrics.csv; at least one row.
        path: Where to write.
    """
    chosen = panels(rows)
    height = math.ceil(len(chosen) / 2)
    with figures.style():
        figure = Figure(figsize=(10, 3.4 * height), layout="constrained")
        for place, panel in enumerate(chosen, start=1):
            plot(figure.add_subplot(height, 2, place), panel, rows)
        figures.save_png(figure, path)


def svgs(rows: Sequence[Row]) -> list[markupsafe.Markup]:
    """Each panel as an `<svg>` of its own, small enough to be read on a phone; none without rows."""
    found = []
    for number, panel in enumerate(panels(rows)):
        with figures.style():
            figure = Figure(figsize=(4.6, 3.1), layout="constrained")
            plot(figure.add_subplot(), panel, rows)
            found.append(figures.to_svg(figure, f"curve{number}"))
    return found
