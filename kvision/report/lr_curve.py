"""The curve of a learning-rate range test, as a picture and as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from kvision.core import words
from kvision.report import figures

if TYPE_CHECKING:
    from pathlib import Path

_ROWS = 16
_WIDTH = 40


@dataclass(frozen=True)
class Curve:
    """What was found; see `kvision.engine.lr_range.RangeTest`.

    Attributes:
        rates: Learning rate of each step `[N]`.
        losses: Loss of each step `[N]`.
        smoothed: The same smoothed `[N]`.
        steepest: Where it falls fastest; none: nowhere.
        tenth: A tenth of where it is smallest; none likewise.
        suggestion: What to use; none likewise.
        own: The rate that the recipe has.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    steepest: float | None
    tenth: float | None
    suggestion: float | None
    own: float

    def facts(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}

    def text(self) -> str:
        """A bar for some of the steps, and the suggestion."""
        shown = np.unique(np.linspace(0, len(self.rates) - 1, _ROWS).round().astype(int))
        smallest, largest = self._limits(self.smoothed[shown])
        lines = ["   rate  loss (smoothed)"]
        for place in shown:
            loss = float(self.smoothed[place])
            share = min(1.0, (loss - smallest) / (largest - smallest)) if np.isfinite(loss) else 1.0
            lines.append(f"{self.rates[place]:7.1e}  {words.number(loss):>9}  {'█' * (1 + round(share * (_WIDTH - 1)))}")
        return "\n".join([*lines, self.advice()])

    def advice(self) -> str:
        """The suggestion in words."""
        if self.suggestion is None:
            return "the loss does not fall at any of these rates, so none can be suggested; try more --steps, or see `kvision check`"
        return (
            f"suggested: optim.lr={self.suggestion:.1e} (falls fastest at {self.steepest:.1e}; a tenth of the minimum's rate is {self.tenth:.1e}); "
            f"the recipe has {self.own:.1e}"
        )

    def save(self, path: Path) -> None:
        """Draws the curve over the logarithm of the rate, with the suggestions marked, as PNG."""
        with figures.style():
            figure = Figure(figsize=(7, 4.2), layout="constrained")
            axes = figure.add_subplot()
            axes.plot(self.rates, self.losses, color=figures.COLOURS[0], alpha=0.3, linewidth=1, label="loss of each batch")
            axes.plot(self.rates, self.smoothed, color=figures.COLOURS[0], linewidth=2, label="smoothed")
            marks = (("falls fastest", self.steepest), ("minimum / 10", self.tenth), ("the recipe's", self.own))
            for (name, rate), colour in zip(marks, figures.COLOURS[1:], strict=False):
                if rate is not None and self.rates[0] <= rate <= self.rates[-1]:
                    axes.axvline(rate, color=colour, linestyle="--", linewidth=1.2, label=f"{name}: {rate:.1e}")
            axes.set_xscale("log")
            axes.set_xlabel("learning rate")
            axes.set_ylabel("loss")
            low, high = self._limits(self.losses)
            axes.set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
            axes.set_title("Learning-rate range test")
            axes.legend(loc="lower left")
            figures.save_png(figure, path)

    @staticmethod
    def _limits(losses: np.ndarray) -> tuple[float, float]:
        """From the smallest loss to at most half as far above the first ones: how far it explodes is of no interest."""
        finite = losses[np.isfinite(losses)]
        if not finite.size:
            return 0.0, 1.0
        low, first = float(finite.min()), float(np.median(finite[: max(1, len(finite) // 5)]))
        high = min(float(finite.max()), low + 1.5 * (first - low)) if first > low else float(finite.max())
        return low, max(high, low + 1e-6 * max(abs(low), 1.0))
