from __future__ import annotations

import random

import pytest

from kvision.sweep.ranges import Choice, Range

LOG = Range(1e-4, 1e-1, log=True)
EVEN = Range(0.0, 0.5)
INT = Range(2, 12, whole=True, step=3)
WIDTHS = Choice((8, 16, 32))


def test_places_are_even_in_log_space():
    assert [LOG.place(value) for value in (1e-4, 1e-3, 1e-1)] == pytest.approx([0, 1 / 3, 1])
    assert [LOG.at(place) for place in (0, 1 / 3, 1, 2)] == pytest.approx([1e-4, 1e-3, 1e-1, 1e-1])
    assert EVEN.place(0.125) == 0.25
    assert [INT.at(place) for place in (0, 0.4, 0.9, 1)] == [2, 5, 11, 11]
    assert WIDTHS.place(16) == 0.5


def test_grids():
    assert Range(1e-4, 1e-1, log=True, points=4).grid == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1])
    assert Range(0.0, 0.5, points=3).grid == [0.0, 0.25, 0.5]
    assert list(INT.grid) == [2, 5, 8, 11]
    assert list(Range(1, 64, log=True, whole=True).grid) == list(range(1, 65))
    assert WIDTHS.grid == (8, 16, 32)
    assert EVEN.grid is None


def test_sizes_and_members():
    assert (LOG.size, INT.size, WIDTHS.size) == (None, 4, 3)
    assert [INT.holds(value) for value in (2, 3, 11, 12)] == [True, False, True, False]
    assert EVEN.holds(0.5)
    assert not EVEN.holds(0.51)


def test_draws_stay_inside_and_are_even_in_log_space():
    chance = random.Random(0)
    drawn = [LOG.draw(chance) for _ in range(2000)]
    assert all(1e-4 <= value <= 1e-1 for value in drawn)
    assert sum(value < 1e-3 for value in drawn) / 2000 == pytest.approx(1 / 3, abs=0.03)
    assert {INT.draw(chance) for _ in range(100)} == {2, 5, 8, 11}
    assert {WIDTHS.draw(chance) for _ in range(100)} == {8, 16, 32}


@pytest.mark.parametrize(
    ("parameter", "best", "share", "expected"),
    [
        (EVEN, 0.25, 1 / 5, (0.2, 0.3)),
        (EVEN, 0.01, 1 / 5, (0.0, 0.1)),  # moved, so that it does not stick out
        (EVEN, 0.49, 1 / 5, (0.4, 0.5)),
        (LOG, 10**-2.5, 1 / 3, (1e-3, 1e-2)),
        (Range(0, 9, whole=True), 4, 1 / 3, (2, 6)),  # 4/9 +- 1/6 of 9 is 2.5 ... 5.5, on whole numbers
        (Range(0, 2, whole=True), 1, 1 / 9, (0, 2)),  # narrower than a step: the neighbours stay
    ],
)
def test_ranges_narrow_around_the_best(parameter, best, share, expected):
    narrow = parameter.around([best], share)
    assert (narrow.low, narrow.high) == pytest.approx(expected)
    assert narrow.low <= best <= narrow.high


def test_choices_narrow_to_those_of_the_best():
    assert WIDTHS.around([32, 8, 32], 1 / 3) == Choice((8, 32))


@pytest.mark.parametrize(
    ("parameter", "value", "side"),
    [
        (LOG, 1.2e-4, -1), (LOG, 1e-2, 0), (LOG, 9e-2, 1), (EVEN, 0.02, -1), (EVEN, 0.03, 0), (EVEN, 0.48, 1), (INT, 2, -1), (INT, 8, 0),
        (INT, 11, 1), (WIDTHS, 8, -1), (WIDTHS, 16, 0), (WIDTHS, 32, 1), (Choice((8, 16)), 16, 0), (Choice(("adamw", "sgd", "lion")), "lion", 0),
        (Choice((True, False, 3)), 3, 0),
    ],
)  # fmt: skip
def test_edges(parameter, value, side):
    assert parameter.edge(value) == side


@pytest.mark.parametrize(
    ("parameter", "side", "text"),
    [
        (LOG, -1, "log(3e-06, 0.1)"), (LOG, 1, "log(0.0001, 3)"), (EVEN, 1, "uniform(0, 0.8)"), (EVEN, -1, "uniform(-0.2, 0.5)"),
        (Range(2, 6, whole=True), 1, "int(2, 8)"), (Range(8, 32, log=True, whole=True), 1, "logint(8, 64)"), (INT, -1, "int(-3, 12, 3)"),
        (Range(0.9, 1.0), 1, "uniform(0.9, 1.05)"), (Range(0.99, 0.999), 1, "uniform(0.99, 1.004)"),
        (Range(1e-3, 1.2e-3), 1, "uniform(0.001, 0.0013)"), (Range(1, 2, whole=True), 1, "int(1, 3)"),
        (Range(1000, 2_000_000, whole=True), 1, "int(1000, 2999500)"), (Range(1, 8, log=True, whole=True), -1, "logint(1, 8)"),
    ],
)  # fmt: skip
def test_a_wider_range_is_half_as_wide_again_on_one_side(parameter, side, text):
    assert str(parameter.widened(side)) == text


def test_ranges_are_written_as_they_are_typed():
    assert str(LOG) == "log(0.0001, 0.1)"
    assert str(Range(0.0, 1.0, points=5)) == "uniform(0, 1, 5)"
    assert str(INT) == "int(2, 12, 3)"
    assert str(Choice(("adamw", None, 8, [1, 2], "a b"))) == 'choice(adamw, null, 8, [1, 2], "a b")'
