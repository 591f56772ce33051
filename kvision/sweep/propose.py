"""Which values a trial gets: by chance, along a grid, or by chance in ranges that narrow around the best so far (coarse to fine).

Pure functions of what is already known, so that a sweep that is resumed, or that several machines work on, goes on as if nothing had happened.
TPE, the fourth method, is Optuna's (`kvision.sweep.study`).
"""

from __future__ import annotations

import itertools
import json
import math
from typing import TYPE_CHECKING, Any, Literal

from kvision.sweep.trials import best_first

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from kvision.engine.system import Mode
    from kvision.sweep.ranges import Parameter
    from kvision.sweep.trials import Trial

Method = Literal["tpe", "random", "grid", "coarse-to-fine"]
NARROWER = 1 / 3
"""How much of each range a round of coarse-to-fine leaves to the next one."""
BEST_SHARE = 0.25
"""The share of the trials whose choices stay in the running in the next round."""
MOST_DRAWS = 100
"""How often a set of values that was tried already is drawn anew."""
MOST_SETS = 100_000
"""Sets of values that a grid may have."""
Values = dict[str, Any]


def at_random(parameters: Mapping[str, Parameter], known: Sequence[Trial], chance: random.Random) -> Values:
    """Values by chance, and other ones than before as long as some can be found.

    Args:
        parameters: What each option may be.
        known: The trials so far.
        chance: Where randomness comes from.

    Returns:
        A value for each option.
    """
    seen = {key(trial.values) for trial in known}
    values: Values = {}
    for _ in range(MOST_DRAWS):
        values = {path: parameter.draw(chance) for path, parameter in parameters.items()}
        if key(values) not in seen:
            return values
    return (on_grid(parameters, known) if 0 < grid_size(parameters) <= MOST_SETS else None) or values


def on_grid(parameters: Mapping[str, Parameter], known: Sequence[Trial]) -> Values | None:
    """The next set of values of the grid, the last option running fastest; none when all of them were tried.

    Args:
        parameters: What each option may be; each must have a grid.
        known: The trials so far.

    Returns:
        A value for each option, or none.
    """
    seen = {key(trial.values) for trial in known}
    sets = (dict(zip(parameters, values, strict=True)) for values in itertools.product(*(each.grid or () for each in parameters.values())))
    return next((values for values in sets if key(values) not in seen), None)


def narrowed(parameters: Mapping[str, Parameter], known: Sequence[Trial], round_: int, mode: Mode) -> dict[str, Parameter]:
    """The ranges of a round: a third as wide as the round before, around the best of all earlier rounds.

    Args:
        parameters: The whole ranges.
        known: The trials so far.
        round_: The round, from 0, which has the whole ranges.
        mode: Whether the greatest or the smallest result is the best.

    Returns:
        What each option may be in this round.
    """
    finished = best_first([trial for trial in known if trial.round < round_], mode)
    if not finished:
        return dict(parameters)
    best = finished[: math.ceil(len(finished) * BEST_SHARE)]
    return {path: parameter.around([trial.values[path] for trial in best], NARROWER**round_) for path, parameter in parameters.items()}


def grid_size(parameters: Mapping[str, Parameter]) -> int:
    """How many sets of values the grid has; 0 when an option has endlessly many values."""
    return math.prod(len(parameter.grid or ()) for parameter in parameters.values())


def key(values: Mapping[str, Any]) -> str:
    """A text that is equal for equal sets of values only."""
    return json.dumps(dict(values), sort_keys=True)
