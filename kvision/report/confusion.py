"""The confusion matrix as a picture, each row normalised: of what is truly class i, which share was called class j."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from kvision.report import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_NUMBERS = 16  # with more classes the cells are too small for a number
_MOST_CLASSES, _WEAKEST = 100, 50  # of more classes, only those that are found least
_BLUE = (59, 130, 246)


def shares(matrix: np.ndarray) -> np.ndarray:
    """Rows divided by their sums.

    Args:
        matrix: `[K, K]` counts, rows true, columns predicted.

    Returns:
        `[K, K]` float64 in 0..1; NaN in the rows of classes that never occur.
    """
    counts = np.asarray(matrix, np.float64)
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)


def draw(matrix: np.ndarray, names: Sequence[str]) -> Figure:
    """Draws the matrix, rows true, columns predicted; the depth of colour is the share, numbers are per cent.

    Args:
        matrix: `[K, K]` counts.
        names: K class names.

    Returns:
        A figure whose size grows with K, so that names stay readable up to 100 classes; of more, the 50 that are found least are drawn.
    """
    share, selected = shares(matrix), ""
    if len(names) > _MOST_CLASSES:
        kept = np.sort(np.argsort(np.diag(share), kind="stable")[:_WEAKEST])
        selected = f"\n(of {len(names)} classes, the {_WEAKEST} that are found least)"
        share, names = share[np.ix_(kept, kept)], [names[k] for k in kept]
    K = len(share)
    labels = [name if len(name) <= 18 else f"{name[:17]}…" for name in names]
    side = max(4.6, 0.42 * K if K <= _MOST_NUMBERS else 2.0 + 0.15 * K)
    with figures.style():
        figure = Figure(figsize=(side + 0.6, side), layout="constrained")
        axes = figure.add_subplot()
        pixels = np.zeros((K, K, 4), np.uint8)
        pixels[..., :3] = _BLUE
        pixels[..., 3] = np.round(255 * np.nan_to_num(share) ** 0.7)  # below 1, so that rare confusions show
        axes.imshow(pixels, interpolation="none")
        size = 9 if K <= _MOST_NUMBERS else 7
        axes.set_xticks(range(K), labels, rotation=90, fontsize=size)
        axes.set_yticks(range(K), labels, fontsize=size)
        axes.set_xlabel(f"predicted{selected}")
        axes.set_ylabel("true")
        axes.grid(visible=False)
        axes.tick_params(length=0)
        if K <= _MOST_NUMBERS:
            _numbers(axes, share)
    return figure


def _numbers(axes: object, share: np.ndarray) -> None:
    for row, column in np.argwhere(share >= 0.005):
        value = share[row, column]
        colour = {"color": "white"} if value > 0.5 else {}
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=8, **colour)  # type: ignore[attr-defined]
