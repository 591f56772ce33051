"""ROC and precision-recall curves of the classes: what a threshold on the probability gains and costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from kvision.report import figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WEAKEST = 4
KINDS = {"roc": ("false_positive_rate", "recall", "roc_auc"), "pr": ("recall", "precision", "average_precision")}
"""Name of a figure -> what it draws along x and y, and the column of the per-class table that sums its curves up."""


def draw(kind: str, curves: Mapping[str, Any], per_class: Mapping[str, Any], names: Sequence[str]) -> Figure:
    """Draws one kind of curve for all classes.

    Up to eight classes have a colour each; of more, those that do worst do, and the others are grey.

    Args:
        kind: One of `KINDS`.
        curves: `false_positive_rate`, `recall` and `precision`, each K lists of values; none for a class without a curve.
        per_class: Columns of the per-class table, K values each.
        names: K class names.

    Returns:
        A figure.
    """
    across, up, column = KINDS[kind]
    x, y, values = (np.asarray(each, np.float64) for each in (curves[across], curves[up], per_class[column]))
    known = [int(k) for k in np.argsort(values, kind="stable") if np.isfinite(x[k]).all() and np.isfinite(values[k])]
    few = len(names) <= len(figures.COLOURS)
    coloured = sorted(known) if few else known[:_WEAKEST]
    with figures.style():
        figure = Figure(figsize=(4.6, 4.6), layout="constrained")
        axes = figure.add_subplot()
        for k in () if few else known[_WEAKEST:]:
            axes.plot(x[k], y[k], color="#888888", alpha=0.35, linewidth=0.8)
        for k, colour in zip(coloured, figures.COLOURS, strict=False):
            name = names[k] if len(names[k]) <= 18 else f"{names[k][:17]}…"
            axes.plot(x[k], y[k], color=colour, linewidth=1.4, label=f"{name} {values[k]:.3f}")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=across.replace("_", " "), ylabel=up)
        axes.set_title({"roc": "ROC", "pr": "Precision and recall"}[kind])
        if coloured:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, handlelength=1.2)
    return figure
