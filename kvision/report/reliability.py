"""The reliability diagram: how often the network is right, against how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from kvision.report import figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def draw(table: Mapping[str, Sequence[Any]]) -> Figure:
    """Draws accuracy over confidence, the diagonal of a network that knows how sure to be, and below them the share of examples in each bin.

    Args:
        table: `count`, `confidence` and `accuracy` of M bins of equal width; values of empty bins are none.

    Returns:
        A figure.
    """
    count, confidence, accuracy = (np.asarray(table[name], np.float64) for name in ("count", "confidence", "accuracy"))
    width = 1 / len(count)
    middle = width * (np.arange(len(count)) + 0.5)
    with figures.style():
        figure = Figure(figsize=(4.6, 4.4), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        above.bar(middle, np.nan_to_num(accuracy), 0.92 * width, color=figures.COLOURS[0], alpha=0.75)
        above.plot([0, 1], [0, 1], linestyle="--", linewidth=1.2, color=figures.COLOURS[1], label="as right as it is sure")
        above.plot(confidence, accuracy, "o", markersize=3, color=figures.COLOURS[1])
        above.set_axisbelow(True)
        above.set_ylabel("accuracy")
        above.set_ylim(0, 1)
        above.legend(loc="upper left")
        below.bar(middle, count / max(count.sum(), 1), 0.92 * width, color=figures.COLOURS[0], alpha=0.45)
        below.set_axisbelow(True)
        below.set_ylabel("share")
        below.set_xlabel("confidence")
        below.set_xlim(0, 1)
        below.set_ylim(0, None)
    return figure
