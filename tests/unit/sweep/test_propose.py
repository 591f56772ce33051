from __future__ import annotations

import random

import pytest

from kvision.sweep import propose
from kvision.sweep.ranges import Choice, Range
from kvision.sweep.trials import Trial

LR, WIDTH = Range(1e-4, 1e-1, log=True), Choice((8, 16, 32))
BOTH = {"lr": LR, "width": WIDTH}


def tried(values, result=None, round_=0):
    return Trial(0, values, "running" if result is None else "finished", result, round=round_)


def test_random_values_differ_as_long_as_others_are_left():
    small, known = {"width": WIDTH, "seed": Range(0, 2, whole=True)}, []
    for number in range(9):
        known.append(tried(propose.at_random(small, known, random.Random(number))))
    assert len({propose.key(trial.values) for trial in known}) == 9
    assert propose.key(propose.at_random(small, known, random.Random(0))) in {propose.key(trial.values) for trial in known}


def test_the_last_sets_of_a_large_space_are_found_too():
    large = {"seed": Range(0, 9_999, whole=True)}
    assert propose.at_random(large, [tried({"seed": seed}) for seed in range(9_999)], random.Random(0)) == {"seed": 9_999}


def test_the_grid_runs_through_every_set_once_the_last_option_fastest():
    grid, known = {"lr": Range(1e-4, 1e-2, log=True, points=3), "width": Choice((8, 16))}, []
    while (values := propose.on_grid(grid, known)) is not None:
        known.append(tried(values))
    assert [(round(trial.values["lr"], 9), trial.values["width"]) for trial in known] == [
        (1e-4, 8), (1e-4, 16), (1e-3, 8), (1e-3, 16), (1e-2, 8), (1e-2, 16),
    ]  # fmt: skip
    assert propose.grid_size(grid) == 6
    assert propose.grid_size(BOTH) == 0


def test_each_round_is_a_third_as_wide_around_the_best_of_the_earlier_ones():
    known = [
        tried({"lr": 1e-3, "width": 8}, 0.5, 0), tried({"lr": 10**-2.5, "width": 16}, 0.9, 0), tried({"lr": 1e-1, "width": 32}, 0.2, 0),
        tried({"lr": 1e-4, "width": 8}, None, 0), tried({"lr": 5e-2, "width": 32}, 0.99, 1),
    ]  # fmt: skip
    assert propose.narrowed(BOTH, known, 0, "max") == BOTH
    first = propose.narrowed(BOTH, known, 1, "max")
    assert (first["lr"].low, first["lr"].high) == pytest.approx((1e-3, 1e-2))  # a third of three decades around 10**-2.5
    assert first["width"] == Choice((16,))
    worst = propose.narrowed(BOTH, known, 1, "min")
    assert (worst["lr"].low, worst["lr"].high) == pytest.approx((1e-2, 1e-1))
    second = propose.narrowed(BOTH, known, 2, "max")  # now the trial of round 1 counts
    assert (second["lr"].low, second["lr"].high) == pytest.approx((0.05 * 10 ** (-1 / 6), 0.05 * 10 ** (1 / 6)))  # a ninth of three decades


def test_a_round_after_nothing_finished_has_the_whole_ranges():
    assert propose.narrowed(BOTH, [tried({"lr": 1e-3, "width": 8})], 1, "max") == BOTH
