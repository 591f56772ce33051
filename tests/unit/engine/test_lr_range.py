"""The range test: its rates, its suggestions on curves whose answer is known, and that it leaves no trace."""

from __future__ import annotations

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.engine import lr_range, randomness, state
from kvision.engine.loop import Loop
from tests.unit.engine import tiny

RATES = np.geomspace(1e-6, 10.0, 141)


def test_smoothing_does_not_lag_and_stops_at_what_is_not_finite() -> None:
    np.testing.assert_allclose(lr_range.smooth(np.full(20, 3.0), 20), 3.0)
    line = np.linspace(3.0, 1.0, 101)
    np.testing.assert_allclose(lr_range.smooth(line, 100)[20:-20], line[20:-20], atol=1e-9)
    dip = np.where(np.arange(101) == 60, 0.0, 1.0)
    assert np.argmin(lr_range.smooth(dip, 100)) == 60
    broken = lr_range.smooth(np.array([1.0, 1.0, np.inf, 1.0]), 4)
    np.testing.assert_allclose(broken, [1.0, 1.0, np.nan, np.nan])


def test_suggestions_of_a_curve_whose_answer_is_known() -> None:
    place = np.log10(RATES)
    falls = 2.0 - 1.5 / (1 + np.exp(-4 * (place + 2.5)))  # steepest at 10^-2.5
    curve = falls + np.where(place > -1.0, 3 * (place + 1.0) ** 2, 0.0)  # smallest at a little more than 0.1
    steepest, tenth = lr_range.suggest(RATES, curve)
    assert steepest == pytest.approx(10**-2.5, rel=0.15)
    assert tenth == pytest.approx(10**-2.0, rel=0.15)
    curve[-3:] = np.nan, np.inf, np.nan
    assert lr_range.suggest(RATES, curve) == (steepest, tenth)


@pytest.mark.parametrize("curve", [np.full(50, 2.0), np.linspace(1.0, 3.0, 50), np.full(50, np.nan), np.array([3.0, 2.0, 1.0])])
def test_a_loss_that_never_falls_suggests_nothing(curve: np.ndarray) -> None:
    assert lr_range.suggest(np.geomspace(1e-6, 10.0, len(curve)), curve) == (None, None)


def test_the_smaller_of_both_is_suggested_in_two_digits() -> None:
    found = lr_range.RangeTest(RATES, RATES, RATES, 0.00123, 0.004, diverged=False)
    assert found.suggestion == 0.0012
    assert lr_range.RangeTest(RATES, RATES, RATES, None, None, diverged=False).suggestion is None


def generators() -> list[object]:
    """The states of the process's generators, without drawing from them."""
    seeds = tf.random.get_global_generator().state.numpy().tolist()
    return [random.getstate(), np.random.get_state()[1].tolist(), seeds]  # noqa: NPY002


def test_a_training_goes_on_as_if_there_had_been_no_test() -> None:
    tf.random.set_global_generator(tf.random.Generator.from_seed(5))
    weights, told = [], []
    for interrupted in (False, True):
        session = tiny.session()
        loop = Loop(session)
        loop.train(3)
        if interrupted:
            seeds = [generator.state.numpy() for generator in randomness.seed_generators(session.system.networks.values())]
            before, states = state.read(session.variables()), generators()
            found = lr_range.run(session, low=1e-4, high=1.0, steps=24, told=told.append)
            assert generators() == states
            for name, value in state.read(session.variables()).items():
                np.testing.assert_array_equal(value, before[name], err_msg=name)
            for seed, generator in zip(seeds, randomness.seed_generators(session.system.networks.values()), strict=True):
                np.testing.assert_array_equal(seed, generator.state.numpy())
        loop.train(6)
        weights.append(state.read(session.variables()))
    for name, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][name], err_msg=name)
    np.testing.assert_allclose(found.rates, np.geomspace(1e-4, 1.0, 24)[: len(found.rates)], rtol=1e-5)
    assert told == list(range(1, len(found.rates) + 1))
    assert found.losses.shape == found.smoothed.shape == found.rates.shape


def test_it_ends_when_the_loss_diverges() -> None:
    session = tiny.session(optim={"name": "sgd", "momentum": 0.0, "warmup_steps": 0, "ema": None}, training=False)
    keras.utils.set_random_seed(1)
    found = lr_range.run(session, low=1e-3, high=1e9, steps=60)
    assert found.diverged
    assert lr_range.LEAST <= len(found.rates) < 60
    assert found.suggestion is None or found.suggestion < found.rates[-1]
