"""The figures of an evaluation: its confusion matrix, the curves of its thresholds, its reliability diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.report import confusion, reliability, thresholds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kvision.report.folder import RunFolder


def draw(run: RunFolder) -> dict[str, Figure]:
    """Draws what the tables of a run's evaluation are enough for.

    Args:
        run: The run's facts.

    Returns:
        By name, some of `confusion`, `roc`, `pr` and `reliability`; a table of other classes than the run's is left out.
    """
    tables, names = run.evaluation.get("tables") or {}, run.class_names
    matrix, curves, bins = (tables.get(name) for name in ("confusion", "curves", "reliability"))
    drawn: dict[str, Figure] = {}
    if matrix and len(matrix) == len(names):
        drawn["confusion"] = confusion.draw(np.asarray(matrix), names)
    if curves and len(curves["recall"]) == len(names):
        drawn |= {kind: thresholds.draw(kind, curves, tables["per_class"], names) for kind in thresholds.KINDS}
    if bins:
        drawn["reliability"] = reliability.draw(bins)
    return drawn
