"""Cuts by hand, and against all cuts that there are."""

from __future__ import annotations

import numpy as np
import pytest

from kvision.ops import segments


def test_a_chain_of_nine_is_cut_in_threes() -> None:
    """Each of 1, taken by the next one: kept are the ends of three segments, and within one two are made again: 3 + 2 of 9."""
    sizes, last_uses = [1.0] * 9, list(range(1, 10))
    assert segments.best(sizes, last_uses) == [3, 6, 9]
    assert segments.peak(sizes, last_uses, [3, 6, 9]) == 5
    assert segments.peak(sizes, last_uses, [9]) == 9


def test_what_is_taken_later_is_kept_once_however_many_cuts_it_crosses() -> None:
    assert segments.peak([8.0, 1.0, 1.0, 1.0], [3, 2, 3, 4], [1, 2, 4]) == 8 + 1 + 1 + 1


def test_one_operation_is_one_segment() -> None:
    assert segments.best([7.0], [1]) == [1]
    assert segments.best([], []) == []


@pytest.mark.parametrize("seed", range(20))
def test_no_other_cut_needs_less(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num = int(rng.integers(2, 7))
    sizes = rng.integers(1, 20, num).tolist()
    last_uses = [int(rng.integers(place + 1, num + 1)) for place in range(num)]
    every = [[place for place in range(1, num) if cuts >> place & 1] + [num] for cuts in range(0, 2**num, 2)]
    assert segments.peak(sizes, last_uses, segments.best(sizes, last_uses)) == min(_peak(sizes, last_uses, ends) for ends in every)


def _peak(sizes: list[int], last_uses: list[int], ends: list[int]) -> int:
    """By walking through the segments."""
    kept = largest = start = 0
    for end in ends:
        kept += sum(sizes[place] for place in range(start, end) if last_uses[place] >= end)
        largest = max(largest, sum(sizes[place] for place in range(start, end) if last_uses[place] < end))
        start = end
    return kept + largest
