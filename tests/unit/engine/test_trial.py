"""A training on the side takes the steps that the engine's own loop takes, and begins anew as often as it is asked."""

from __future__ import annotations

import numpy as np

from kvision.core.schema import GroupOptions
from kvision.engine import state
from kvision.engine.loop import Loop
from kvision.engine.strategy import distribute
from kvision.engine.trial import Trial
from tests.unit.engine import tiny

OPTIM = {"lr": 1e-2, "warmup_steps": 2, "ema": None}


def test_a_trial_takes_the_loop_s_steps_on_two_replicas() -> None:
    devices = "cpu:2"
    own = tiny.session(optim=OPTIM, devices=devices)
    loop = Loop(own)
    calls = [loop.train(step) for step in (1, 2, 3)]
    other = tiny.session(optim=OPTIM, devices=devices, training=False)
    trial = Trial(other, other.recipe.optim, own.for_training.total)
    taken = list(trial.steps(distribute(other.strategy, lambda context: other.pipeline.train(0, context)), 3))
    np.testing.assert_allclose([rate for rate, _ in taken], [call.lr for call in calls], rtol=1e-6)
    np.testing.assert_allclose([loss for _, loss in taken], [call.loss for call in calls], rtol=1e-6)
    for name, value in state.read(own.weights()).items():
        np.testing.assert_allclose(state.read(other.weights())[name], value, rtol=1e-5, atol=1e-7)


def test_it_begins_anew_and_leaves_the_session_s_optimizers_alone() -> None:
    session = tiny.session(optim=OPTIM)
    before = state.read(session.variables())
    trial = Trial(session, session.recipe.optim, 10)
    batches = session.pipeline.train(0)
    first = trial.train(batches, 3)
    changed = {name for name, value in state.read(session.variables()).items() if not np.array_equal(value, before[name])}
    assert changed
    assert {name.partition("/")[0] for name in changed} == {"net"}
    np.testing.assert_array_equal(trial.train(batches, 3), first)
    trial.begin()
    for name, value in state.read(session.variables()).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_a_step_that_is_not_finite_changes_nothing() -> None:
    session = tiny.session(system=tiny.Poisoned, optim=OPTIM, training=False)
    trial = Trial(session, session.recipe.optim, 10)
    losses = trial.train(session.pipeline.train(0), 6)  # an epoch, which holds the poisoned example once
    assert np.isnan(losses).sum() == 1
    assert all(np.isfinite(value).all() for value in state.read(session.weights()).values())


class Slowed(tiny.Tiny):
    """Asks for a group of its own."""

    def groups(self) -> tuple[GroupOptions, ...]:
        return (GroupOptions(match="conv2d/kernel", lr_scale=0.0),)


def test_the_groups_that_the_system_asks_for_hold_in_a_trial_too() -> None:
    session = tiny.session(system=Slowed, optim=OPTIM, training=False)
    before = state.read(session.weights())
    Trial(session, session.recipe.optim, 10).train(session.pipeline.train(0), 2)
    after = state.read(session.weights())
    np.testing.assert_array_equal(after["net/net/conv2d/kernel"], before["net/net/conv2d/kernel"])
    assert np.any(after["net/net/conv2d/bias"] != before["net/net/conv2d/bias"])
