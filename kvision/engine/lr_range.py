"""The learning-rate range test: train for some steps with a rate that grows exponentially, and look at how the loss takes it.

Paper: Smith 2017, arXiv 1506.01186, section 3.3.
Deviations: the rate grows exponentially and not linearly, and the test ends when the loss diverges, as in Gugger 2018 ("How do you find a good
learning rate") and fastai, whose two suggestions these are. Unlike theirs, which lags behind by half a decade, the smoothing is centred.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from kvision.engine.strategy import distribute
from kvision.engine.trial import Trial
from kvision.engine.undisturbed import undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable

    from kvision.engine.session import Session

SMOOTHING = 0.04
"""Standard deviation of the smoothing, as a share of the steps."""
DIVERGED = 3.0
"""The test ends when the recent loss lies this many times its smallest value so far above that."""
RECENT = 5
"""Steps that the recent loss is the mean of."""
LEAST = 10
"""Steps at the beginning that are never suggested."""


@dataclass(frozen=True)
class RangeTest:
    """What the test found.

    Attributes:
        rates: Learning rate of each step `[N]`.
        losses: Loss of each step's batch, before the step `[N]`; the last one may be NaN or infinite.
        smoothed: `losses` smoothed `[N]`.
        steepest: The rate at which the smoothed loss falls fastest against the logarithm of the rate; none: it never falls.
        tenth: A tenth of the rate at which the smoothed loss is smallest; none likewise.
        diverged: Whether the test ended early because the loss grew.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    steepest: float | None
    tenth: float | None
    diverged: bool

    @property
    def suggestion(self) -> float | None:
        """The smaller of `steepest` and `tenth`, to two digits: a rate that is too small costs time, one that is too large costs the run."""
        if self.steepest is None or self.tenth is None:
            return None
        return float(f"{min(self.steepest, self.tenth):.1e}")


def smooth(losses: np.ndarray, steps: int) -> np.ndarray:
    """The losses `[N]` of a test of `steps` steps, smoothed by a Gaussian around each of them; from the first that is not finite on, NaN."""
    bad = np.flatnonzero(~np.isfinite(losses))
    good = losses[: bad[0]] if bad.size else losses
    smoothed = np.full(len(losses), np.nan)
    smoothed[: len(good)] = ndimage.gaussian_filter1d(good, SMOOTHING * steps, mode="nearest") if good.size else good
    return smoothed


def suggest(rates: np.ndarray, smoothed: np.ndarray) -> tuple[float | None, float | None]:
    """Where the smoothed loss falls fastest, and a tenth of where it is smallest.

    Args:
        rates: Learning rates, evenly spaced in their logarithm `[N]`.
        smoothed: Smoothed losses `[N]`.

    Returns:
        Two rates; none twice when the loss does not fall after the first `LEAST` steps, so that nothing can be said.
    """
    finite = np.where(np.isfinite(smoothed), smoothed, np.inf)
    smallest = LEAST + int(np.argmin(finite[LEAST:])) if len(finite) > LEAST else 0
    if smallest <= LEAST:
        return None, None
    slopes = np.gradient(finite[: smallest + 1])[LEAST:]
    if slopes.min() >= 0:
        return None, None
    return float(rates[LEAST + int(np.argmin(slopes))]), float(rates[smallest]) / 10.0


def run(session: Session, *, low: float = 1e-6, high: float = 10.0, steps: int = 100, told: Callable[[int], None] = lambda done: None) -> RangeTest:
    """Trains for up to `steps` steps with a rate from `low` to `high`, from the weights as they are, and leaves no trace.

    The optimizer is the recipe's own with its decay, groups and clipping, in a state of its own; the batches are those that a training begins
    with. Afterwards the session and all random generators are, to the bit, what they were.

    Args:
        session: With or without its training part.
        low: First learning rate.
        high: Last learning rate.
        steps: Steps between them.
        told: Called after each step with their number.

    Returns:
        Rates, losses and suggestions.
    """
    # The rate of step i is low (high / low)^(i / (steps - 1)): the schedule `exponential` with a factor above 1, which no recipe may have.
    options = session.recipe.optim.model_copy(
        update={"lr": low, "schedule": "exponential", "decay": high / low, "warmup_steps": 0, "scale_lr": False}
    )
    rates: list[float] = []
    losses: list[float] = []
    best, diverged = math.inf, False
    with undisturbed(session):
        trial = Trial(session, options, steps - 1)
        batches = distribute(session.strategy, lambda context: session.pipeline.train(0, context))
        for done, (rate, loss) in enumerate(trial.steps(batches, steps), start=1):
            rates.append(rate)
            losses.append(loss)
            told(done)
            recent = float(np.mean(losses[-RECENT:]))
            best = min(best, recent)
            diverged = not math.isfinite(loss) or (done > LEAST and recent > best + DIVERGED * abs(best))
            if diverged:
                break
    smoothed = smooth(np.array(losses), steps)
    steepest, tenth = suggest(np.array(rates), smoothed)
    return RangeTest(np.array(rates), np.array(losses), smoothed, steepest, tenth, diverged)
