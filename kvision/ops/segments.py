"""Where to cut a chain of operations so that gradients need little memory: what lies within a segment is computed again, not kept.

Numbers are bytes, or any other measure of size. No TensorFlow here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

NUM_CAPS = 24
"""Sizes of the largest segment that are tried: at most so many, spread by ratios."""


def best(sizes: Sequence[float], last_uses: Sequence[int]) -> list[int]:
    """The segments that need the least memory by `peak`; of those, the fewest.

    Args:
        sizes: Of what each of N operations gives, in an order in which they can be computed, `[N]`.
        last_uses: The last operation that takes it; N: it is an answer, kept in any case.

    Returns:
        Where each segment ends, the operation after its last one; the last end is N.

    References:
        Training Deep Nets with Sublinear Memory Cost, Chen et al. 2016 (arXiv 1604.06174), section 4.3, whose search over budgets for a segment
        this is, with the cuts for a budget by dynamic programming in place of a greedy pass.
    """
    inner, kept = _tables(np.asarray(sizes, np.float64), np.asarray(last_uses))
    caps = np.unique(inner[np.triu_indices(len(inner))])
    caps = caps[caps >= np.diagonal(inner).max(initial=0.0)]
    if len(caps) > NUM_CAPS:
        caps = np.unique(caps[np.searchsorted(caps, np.geomspace(max(caps[0], 1e-9), caps[-1], NUM_CAPS) * (1 - 1e-12))])
    found = [_cuts(inner, kept, cap) for cap in caps]
    return min(found, key=lambda ends: (peak(sizes, last_uses, ends), len(ends)), default=[])


def peak(sizes: Sequence[float], last_uses: Sequence[int], ends: Sequence[int]) -> float:
    """What is in memory at most while gradients are computed: all that later segments take, and one whole segment.

    Args:
        sizes: As for `best`.
        last_uses: Likewise.
        ends: Where the segments end.

    Returns:
        In the measure of `sizes`. With one segment it is the sum of all: nothing is computed twice.
    """
    inner, kept = _tables(np.asarray(sizes, np.float64), np.asarray(last_uses))
    bounds = list(zip([0, *ends[:-1]], ends, strict=True))
    return float(sum(kept[start, end - 1] for start, end in bounds) + max(inner[start, end - 1] for start, end in bounds))


def _tables(sizes: np.ndarray, last_uses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of segments from operation `i` to operation `j`, both included, `[i, j]`: what is within alone, and what is handed on."""
    num = len(sizes)
    place = np.arange(num)
    through = np.cumsum(np.where(place[:, None] >= place[None], sizes[None], 0.0)[:, ::-1], axis=1)[:, ::-1].T  # [i, j]: sizes of i..j
    handed = np.where((place[:, None] >= place[None]) & (last_uses[None] > place[:, None]), sizes[None], 0.0)  # [j, n]: n lives on after j
    kept = np.cumsum(handed[:, ::-1], axis=1)[:, ::-1].T
    return through - kept, kept


def _cuts(inner: np.ndarray, kept: np.ndarray, cap: float) -> list[int]:
    """Of the segments that hold at most `cap` each, those that hand on the least."""
    num = len(inner)
    cost, begin = np.full(num + 1, np.inf), np.zeros(num + 1, int)
    cost[0] = 0.0
    for end in range(1, num + 1):
        costs = np.where(inner[:end, end - 1] <= cap, cost[:end] + kept[:end, end - 1], np.inf)
        begin[end] = np.argmin(costs)
        cost[end] = costs[begin[end]]
    ends, end = [], num
    while end:
        ends.append(end)
        end = int(begin[end])
    return ends[::-1]
