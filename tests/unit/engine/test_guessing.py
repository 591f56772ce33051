"""When a training is said to have learnt nothing, and when it is left in peace."""

from __future__ import annotations

import math

import pytest

from kvision.engine import guessing

GUESS = math.log(10)


def look(loss: float, step: int, guess: float | None = GUESS, warmup: int = 0) -> str | None:
    return guessing.no_better(loss, guess, step=step, epoch_steps=60, total=600, warmup=warmup)


def test_it_says_both_losses_and_what_to_do() -> None:
    said = look(14.25, 120) or ""
    assert "nothing in 120 steps" in said
    assert "is 14.25, and a guess costs 2.303" in said
    assert "`kvision lr-find RECIPE`" in said


@pytest.mark.parametrize(("step", "spoken"), [(60, False), (120, True), (180, False), (540, False), (600, True)])
def test_it_is_said_behind_the_first_hundred_steps_and_at_the_end(step: int, spoken: bool) -> None:
    assert (look(2.4, step) is not None) is spoken


def test_warm_up_is_waited_for() -> None:
    assert look(2.4, 120, warmup=50) is None
    assert look(2.4, 180, warmup=50)


@pytest.mark.parametrize(("loss", "guess"), [(2.30, GUESS), (math.nan, GUESS), (-3.0, GUESS), (50.0, None)])
def test_a_loss_below_a_guess_and_one_that_has_none_are_left_in_peace(loss: float, guess: float | None) -> None:
    assert look(loss, 600, guess) is None


def test_a_run_too_short_to_tell_ends_in_peace() -> None:
    assert guessing.no_better(9.0, GUESS, step=18, epoch_steps=6, total=18, warmup=0) is None
