"""The pace: calls of about 0.7 s, whatever a step takes; the first call counts for nothing."""

from __future__ import annotations

import pytest

from kvision.engine.pace import CALL_S, Pace


@pytest.mark.parametrize(("step_s", "steps"), [(0.001, 700), (0.17, 4), (3.0, 1)])
def test_calls_come_to_last_as_long_as_wanted(step_s: float, steps: int) -> None:
    pace = Pace(batch=4)
    pace.record(1, 10.0, 0.0)  # builds the graph
    for _ in range(10):
        pace.record(pace.steps_per_call, pace.steps_per_call * step_s, 0.0)
    assert pace.steps_per_call == steps
    assert pace.steps_per_call * step_s <= max(1.2 * CALL_S, step_s)


def test_growth_is_gradual_and_shrinking_is_not() -> None:
    pace = Pace(batch=4)
    pace.record(1, 10.0, 0.0)
    assert pace.steps_per_call == 1
    pace.record(1, 0.0001, 0.0)
    assert pace.steps_per_call == 4
    pace.record(4, 4.0, 0.0)
    assert pace.steps_per_call == 1


def test_a_fixed_number_stays() -> None:
    pace = Pace(batch=4, steps_per_call=7)
    pace.record(7, 10.0, 0.0)
    pace.record(7, 0.1, 0.0)
    assert pace.steps_per_call == 7


def test_speed_and_waiting_leave_the_first_call_out() -> None:
    pace = Pace(batch=10)
    pace.record(1, 99.0, 99.0)
    assert (pace.images_per_s, pace.wait_share, pace.step_s, pace.overall) == (0.0, 0.0, None, (0.0, 0.0))
    pace.record(4, 2.0, 0.5)
    assert (pace.images_per_s, pace.wait_share, pace.step_s, pace.overall) == (20.0, 0.25, 0.5, (20.0, 0.25))


@pytest.mark.parametrize(("told", "share"), [(-3600.0, 0.0), (3600.0, 1.0)])
def test_a_clock_that_is_set_back_or_forward_makes_no_absurd_share(told: float, share: float) -> None:
    pace = Pace(batch=10)
    pace.record(1, 99.0, 0.0)
    pace.record(1, 0.5, told)
    assert (pace.wait_share, pace.overall) == (share, (20.0, share))
