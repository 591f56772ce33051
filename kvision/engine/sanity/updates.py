"""How far a step moves the weights: about a thousandth of their size, and every layer that is meant to learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np

from kvision.engine import pretrained, state
from kvision.engine.sanity.verdict import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kvision.engine.pretrained import Pretrained
    from kvision.engine.system import System

RATIO = (1e-4, 1e-2)
"""Accepted median of the ratios; CS231n: 'roughly 1e-3'."""


def kernels(system: System) -> dict[str, np.ndarray]:
    """The weights of rank 2 and more of all networks, by name: biases and scales start at 0 or 1 and say little."""
    return {name: values for name, values in state.read(state.weights(system.networks)).items() if values.ndim >= 2 and values.dtype.kind == "f"}


def ratios(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> dict[str, float]:
    """`|after - before| / |before|` in the Euclidean norm, by kernel."""
    return {name: float(np.linalg.norm(after[name] - start)) / max(float(np.linalg.norm(start)), 1e-12) for name, start in before.items()}


def frozen(system: System, given: Pretrained | None = None) -> Verdict:
    """Looks for kernels that start at random and are never trained.

    What is frozen on purpose passes: kernels that a group of the recipe freezes are among `trainables()`, and those that come from elsewhere
    (pretrained, or computed) are the same whatever the seed.

    Args:
        system: Fresh, built from `train.seed`.
        given: Weights that it begins with; none: random ones.

    Returns:
        The verdict.
    """
    trained = {id(variable) for variables in system.trainables().values() for variable in variables}
    weights = state.weights(system.networks)
    still = [name for name in kernels(system) if id(weights[name]) not in trained]
    stuck = still and _differ_by_seed(system, still, given)
    rest = f"; {len(still)} are frozen, and not random" if still else ""
    return judge(
        "frozen layers",
        len(stuck),
        high=0,
        good=f"every random kernel of {len(weights)} weights is trained{rest}",
        bad=f"{', '.join(stuck[:3])}{' ...' if len(stuck) > 3 else ''} start at random and are never trained: is trainable=False set, or has "
        "trainables() left them out?",
        details={"stuck": stuck},
    )


def ratio(found: Mapping[str, float], steps: int) -> Verdict:
    """Judges the ratios of one step by their median; a warning where it is not near 1e-3.

    Args:
        found: By kernel, as `ratios` gives them.
        steps: Steps that the network was trained before it.

    Returns:
        The verdict.
    """
    moving = {name: value for name, value in found.items() if value > 0}
    median = float(np.median(list(moving.values()))) if moving else 0.0
    outside = [name for name, value in moving.items() if not RATIO[0] <= value <= RATIO[1]]
    most = max(moving, key=lambda name: abs(np.log10(moving[name]) + 3), default="")
    text = f"median of |update| / |weights| over {len(found)} kernels after {steps} steps"
    text += f"; {len(outside)} lie outside, the farthest {most} at {moving[most]:.2g}" if outside else ""
    text += f"; {len(found) - len(moving)} did not move" if len(moving) < len(found) else ""
    return judge(
        "update ratio",
        median,
        low=RATIO[0],
        high=RATIO[1],
        good=text,
        bad=f"{text}: try a {'smaller' if median > RATIO[1] else 'larger'} optim.lr, see `kvision lr-find`",
        otherwise="warn",
        details={"ratios": dict(found)},
    )


def _differ_by_seed(system: System, names: list[str], given: Pretrained | None) -> list[str]:
    """Which of these kernels have other values when the networks are built from another seed."""
    first = kernels(system)
    keras.utils.set_random_seed(system.recipe.train.seed + 1)
    other = system.with_networks(system.build())
    if given is not None:
        pretrained.put(other.networks, given)
    second = kernels(other)
    return [name for name in names if not np.array_equal(first[name], second[name])]
