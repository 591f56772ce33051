"""Runs that differ by their seed alone, taken together: the interquartile mean over them, and between which values it probably lies."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kvision.metrics import episodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kvision.report.folder import RunFolder

SEED = "train.seed"


class Estimate(NamedTuple):
    """The interquartile mean over runs, and the ends of its 95 % bootstrap interval; all one number where there is one run."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """Runs of one recipe.

    Attributes:
        name: The run's, or those of the first and the last.
        places: Which of all runs they are.
    """

    name: str
    places: tuple[int, ...]


def groups(runs: Sequence[RunFolder], names: Sequence[str]) -> list[Group]:
    """Puts runs together that have all values of their recipes in common but the seed.

    Args:
        runs: Of any recipes.
        names: One a run, unique.

    Returns:
        Groups in the order of their first runs. Runs of one recipe among which a seed comes twice stay apart: what is repeated tells nothing new.
    """
    same: dict[str, dict[int, str]] = {}
    for place, run in enumerate(runs):
        values = dict(run.leaves())
        seed = values.pop(SEED, None)
        same.setdefault(json.dumps(values, sort_keys=True, default=str), {})[place] = str(seed)
    found: list[Group] = []
    for seeds in same.values():
        parts = [tuple(seeds)] if len(set(seeds.values())) == len(seeds) else [(place,) for place in seeds]
        found += [Group(" … ".join(dict.fromkeys((names[part[0]], names[part[-1]]))), part) for part in parts]
    return sorted(found, key=lambda group: group.places)


def estimate(values: Iterable[float | None]) -> Estimate | None:
    """What is said of a metric over runs.

    Args:
        values: One a run; those that are none, or no numbers, are left out.

    Returns:
        None where nothing is left.
    """
    known = np.array([value for value in values if value is not None and math.isfinite(value)])
    if not known.size:
        return None
    return Estimate(float(episodes.interquartile_mean(known)), *episodes.interval(known, episodes.interquartile_mean))


def curve(runs: Sequence[RunFolder], column: str) -> dict[int, Estimate]:
    """A column of metrics.csv over the runs of a group, by epoch, of those runs that have got so far; NaN, which leaves a gap, where none has it."""
    values: dict[int, list[float]] = {}
    for run in runs:
        for row in run.rows:
            values.setdefault(int(row["epoch"]), []).append(row.get(column, math.nan))
    return {epoch: estimate(each) or Estimate(math.nan, math.nan, math.nan) for epoch, each in sorted(values.items())}
