"""The page of `kvision transfer-curve`: error against training examples of each class, a line and a band for each method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from kvision.core import disk, words
from kvision.report import figures, page
from kvision.sweep.transfer import ALL

if TYPE_CHECKING:
    from pathlib import Path

    from kvision.sweep.transfer import Curves, Value

PAGE = "transfer.html"
PICTURE = "curves.png"


def write(curves: Curves, folder: Path) -> Path:
    """Writes the page, and the picture if there is anything to draw.

    Args:
        curves: What came of it.
        folder: Where to.

    Returns:
        Path of transfer.html.

    Raises:
        RunError: If the folder can't be written.
    """
    svg = None
    with disk.writing(folder, "the page", "--out"):
        if any(curves.curves.values()):
            with figures.style():
                figure = draw(curves)
                figures.save_png(figure, folder / PICTURE)
                svg = figures.to_svg(figure, "curves")
        html = page.environment().get_template("transfer.html.j2").render(curves=curves, name=folder.resolve().name, table=table(curves), svg=svg)
        disk.replace(folder / PAGE, html.encode())
    return folder / PAGE


def draw(curves: Curves) -> Figure:
    """The mean error over the seeds, and a band from the best to the worst of them, over the logarithm of the number of examples."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for (method, values), colour in zip(curves.curves.items(), figures.COLOURS, strict=False):
        counts = [value.per_class for value in values]
        axes.plot(counts, [value.mean for value in values], color=colour, marker="o", markersize=4, label=method.replace("_", " "))
        axes.fill_between(counts, [value.low for value in values], [value.high for value in values], color=colour, alpha=0.18, linewidth=0)
    known = {value.per_class: value.label for values in curves.curves.values() for value in values}
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(list(known), [f"{label}\n({count:.0f})" if label == ALL else label for count, label in known.items()])
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("training examples of each class")
    axes.set_ylabel(f"1 - {curves.metric}")
    axes.set_title("Error against training examples")
    axes.legend()
    return figure


def table(curves: Curves) -> tuple[list[str], list[list[str]]]:
    """The means with the best and the worst seed.

    Args:
        curves: What came of it.

    Returns:
        Headings, and a row for each number of examples; `—` where no training is done.
    """
    labels = list(dict.fromkeys(value.label for values in curves.curves.values() for value in values))
    found = {(method, value.label): _cell(value) for method, values in curves.curves.items() for value in values}
    rows = [[label, *(found.get((method, label), "—") for method in curves.curves)] for label in labels]
    return ["examples of each class", *(method.replace("_", " ") for method in curves.curves)], rows


def _cell(value: Value) -> str:
    """`12.3 % (11.0 % to 13.1 %)`."""
    mean = words.percent(value.mean)
    if len(value.errors) == 1:
        return mean
    return f"{mean} ({words.percent(value.low)} to {words.percent(value.high)})"
