"""A network that can't learn twenty examples by heart will not learn more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kvision.engine.sanity.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kvision.engine.system import Batch
    from kvision.engine.trial import Trial

EXAMPLES = 20
NEAR_ZERO = 0.05
"""Largest accepted loss, as a share of that of the first step."""
WINDOW = 5
"""Steps that the loss is averaged over."""


def check(trial: Trial, batches: Iterable[Batch], examples: int, most: int) -> Verdict:
    """Trains on a few examples, plainly, until the loss is near zero.

    Args:
        trial: Of a fresh network.
        batches: The same `examples` over and over.
        examples: Their number.
        most: Steps to give up after.

    Returns:
        The verdict, with the losses of all steps.
    """
    trial.begin()
    losses: list[float] = []
    for _, loss in trial.steps(batches, most):
        losses.append(loss)
        if len(losses) > WINDOW and np.mean(losses[-WINDOW:]) <= NEAR_ZERO * losses[0]:
            break
    return verdict(np.array(losses), examples)


def verdict(losses: np.ndarray, examples: int) -> Verdict:
    """Judges the losses of the steps `[N]`."""
    reached = float(np.mean(losses[-WINDOW:]))
    falling = len(losses) > 4 * WINDOW and reached < 0.9 * np.mean(losses[-4 * WINDOW : -3 * WINDOW])
    if not reached < losses[0]:
        advice = "it grew: try a smaller optim.lr (`kvision lr-find`)"
    elif falling:
        advice = "it was still falling: try a larger optim.lr, or make sure with more steps"
    else:
        advice = "it no longer fell: try another optim.lr (`kvision lr-find`), a larger network, or look for a fault in loss and labels"
    return judge(
        "overfit",
        reached,
        high=NEAR_ZERO * float(losses[0]),
        good=f"{examples} examples learnt by heart in {len(losses)} steps, from a loss of {losses[0]:.4g}",
        bad=f"{examples} examples not learnt by heart in {len(losses)} steps, from a loss of {losses[0]:.4g}; {advice}",
        details={"losses": losses.tolist()},
    )
