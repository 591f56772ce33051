"""How good an agent is, from the returns of its episodes or of its runs: mean, median, interquartile mean, and how sure these are. Plain numpy.

The interquartile mean is the mean of the middle half: not as blind as the median, nor moved by a few strange values as the mean is. Intervals are
the percentile bootstrap's: the statistic of many samples drawn with replacement from the values at hand (Agarwal 2021, arXiv 2108.13264, section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Statistic = Callable[[np.ndarray], np.ndarray]
    """From `[..., N]` to `[...]`."""

CONFIDENCE = 0.95
RESAMPLES = 2000
_AT_ONCE = 10**7
"""Values that are drawn together, for memory's sake."""
LOW, HIGH = "_low", "_high"
"""What the names of an interval's ends have behind the name of the metric."""


def mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis."""
    return np.mean(values, axis=-1)


def median(values: np.ndarray) -> np.ndarray:
    """Median over the last axis."""
    return np.median(values, axis=-1)


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is left without the lowest and the highest quarter, both rounded down.

    Args:
        values: `[..., N]`, at least one.

    Returns:
        `[...]` float64.
    """
    ordered = np.sort(np.asarray(values, np.float64), axis=-1)
    cut = ordered.shape[-1] // 4
    return ordered[..., cut : ordered.shape[-1] - cut].mean(axis=-1)


STATISTICS: dict[str, Statistic] = {"": mean, "_median": median, "_iqm": interquartile_mean}
"""By what stands behind the name of what is measured; the mean bears that name alone."""


def interval(values: np.ndarray, statistic: Statistic, *, confidence: float = CONFIDENCE, seed: int = 0) -> tuple[float, float]:
    """Where a statistic probably lies.

    Args:
        values: `[N]`, one for each episode, or for each run.
        statistic: From `[..., N]` to `[...]`, such as `interquartile_mean`.
        confidence: The share of the resampled statistics that lies inside.
        seed: Of the resampling: the same values have the same interval.

    Returns:
        Its ends; both the value itself where there is one value only.
    """
    known, random = np.asarray(values, np.float64), np.random.default_rng(seed)
    counts = [len(part) for part in np.array_split(np.arange(RESAMPLES), min(RESAMPLES, -(-RESAMPLES * len(known) // _AT_ONCE)))]
    found = np.concatenate([statistic(known[random.integers(0, len(known), (count, len(known)))]) for count in counts])
    low, high = np.quantile(found, ((1 - confidence) / 2, (1 + confidence) / 2))
    return float(low), float(high)


def summary(values: np.ndarray, name: str = "return") -> dict[str, float]:
    """What is told of the returns of many episodes.

    Args:
        values: `[N]`, at least one.
        name: What they are.

    Returns:
        By `<name>` the mean, by `<name>_median`, `<name>_iqm`, `<name>_min` and `<name>_max` what they say; the ends of the intervals of the first
        three have `_low` and `_high` behind their names.
    """
    found: dict[str, float] = {}
    for suffix, statistic in STATISTICS.items():
        low, high = interval(values, statistic)
        found |= {f"{name}{suffix}": float(statistic(values)), f"{name}{suffix}{LOW}": low, f"{name}{suffix}{HIGH}": high}
    return found | {f"{name}_min": float(np.min(values)), f"{name}_max": float(np.max(values))}


def texts(metrics: Mapping[str, float | None]) -> dict[str, str]:
    """Metrics for people: by name the value, with its interval behind it where it has one; those that are none are left out."""
    ends = {name: (metrics.get(name + LOW), metrics.get(name + HIGH)) for name in metrics}
    bounds = {f"{name}{end}" for name, both in ends.items() if None not in both for end in (LOW, HIGH)}
    found = {}
    for name, value in metrics.items():
        if value is not None and name not in bounds:
            low, high = ends[name]
            found[name] = f"{value:.4f}" if low is None or high is None else f"{value:.4f} ({low:.4f} to {high:.4f})"
    return found
