"""The loss of a network that has learnt nothing must be that of a guess: log K for the cross-entropy over K classes, K - 1 for the hinge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from kvision.engine.sanity import probe
from kvision.engine.sanity.verdict import Verdict, judge, skipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvision.engine.system import Batch, System

FACTOR = 2.0
"""How many times larger or smaller than expected: outputs of deviation 1, as He's initialiser makes them, add 0.5 to the cross-entropy."""
WORST = 4.0
"""Up to here it is only a warning: such outputs nearly treble the squared hinge."""


def check(system: System, batches: Sequence[Batch]) -> Verdict:
    """Compares the mean training loss of a fresh network with what the system expects, regularisation off.

    Args:
        system: Fresh, its random layers quiet.
        batches: Some training batches.

    Returns:
        The verdict; skipped where the system expects nothing and the loss is finite.
    """
    losses = [sum(float(found.loss) for found in probe.step(system, batch).values() if found.loss is not None) for batch in batches]
    return verdict(float(np.mean(losses)), system.expected_initial_loss())


def verdict(loss: float, expected: float | None) -> Verdict:
    """Judges the initial loss by the expected one."""
    name = "initial loss"
    if expected is None and math.isfinite(loss):
        return skipped(name, f"it is {loss:.4g}; what it should be depends on the data for this loss")
    if expected is None:
        return judge(name, math.nan, good="", bad="the loss of a fresh network is not finite; look at the loss, then at the input")
    ratio = loss / expected
    cause = (
        "the loss is summed where it should be averaged, a weight multiplies it, or the last layer starts with too large weights"
        if ratio > 1
        else "the loss is divided once too often, or the network sees the labels"
    )
    return judge(
        name,
        loss,
        low=expected / FACTOR,
        high=expected * FACTOR,
        good=f"a guess costs {expected:.4g}",
        bad=f"it is {ratio:.3g} times the {expected:.4g} that a guess costs: {cause}"
        if math.isfinite(loss)
        else "it is not finite: look at the input",
        otherwise="warn" if 1 / WORST <= ratio <= WORST else "fail",
        details={"expected": expected},
    )
