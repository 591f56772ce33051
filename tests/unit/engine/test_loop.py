"""The graphs of the loop: the same bits however the steps are parcelled out, exact resume, bad steps and bad files named."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import DataError, UsageError
from kvision.engine import loop, state
from tests.fakes import FakeSource
from tests.unit.engine import tiny

if TYPE_CHECKING:
    from kvision.data.source import Split, SplitName

Values = dict[str, np.ndarray]


def train(*ends: int, begin: Values | None = None, devices: str = "cpu", **sections: Any) -> Values:
    """The whole state after calls that go to these steps."""
    session = tiny.session(devices=devices, **sections)
    if begin is not None:
        state.write(session.variables(), begin, "the test")
    graphs = loop.Loop(session)
    for end in ends:
        assert graphs.train(end).step == end
    return state.read(session.variables())


@functools.cache
def straight(devices: str = "cpu") -> Values:
    return train(16, devices=devices)


def test_steps_per_call_change_nothing() -> None:
    np.testing.assert_equal(train(1, 2, 5, 11, 16), straight())


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_resume_in_mid_epoch_is_exact(devices: str) -> None:
    np.testing.assert_equal(train(16, begin=train(9, devices=devices), devices=devices), straight(devices))


def test_resume_on_another_number_of_devices_goes_on() -> None:
    plain = {"dropout": 0.0}  # each replica draws its own
    resumed = train(12, begin=train(9, model=plain), devices="cpu:2", model=plain)
    whole = train(12, model=plain)
    for name in whole:
        np.testing.assert_allclose(resumed[name], whole[name], atol=1e-3, err_msg=name)


def test_evaluation_disturbs_nothing_and_replicas_do_not_change_it() -> None:
    found = []
    for devices in ("cpu", "cpu:2"):
        session = tiny.session(devices=devices)
        graphs = loop.Loop(session)
        before = state.read(session.variables())
        metrics = graphs.evaluate()
        assert metrics is not None
        np.testing.assert_equal(state.read(session.variables()), before)
        found.append(metrics)
        if devices == "cpu":
            graphs.train(9)
            assert graphs.evaluate() is not None
            graphs.train(16)
            np.testing.assert_equal(state.read(session.variables()), straight())
            assert graphs._train_graph.experimental_get_tracing_count() == 1
            assert graphs._evaluator._graph.experimental_get_tracing_count() == 1
    assert found[0] == pytest.approx(found[1], abs=1e-6)  # the padded examples of the last batch count for nothing


def test_evaluation_gives_up_when_asked() -> None:
    asked = []

    def stop() -> bool:
        asked.append(True)
        return len(asked) == 2

    assert loop.Loop(tiny.session()).evaluate(stop) is None
    assert len(asked) == 2


def test_the_mean_loss_is_that_of_the_epoch() -> None:
    session = tiny.session()
    graphs = loop.Loop(session)
    losses = [graphs.train(step).loss for step in (1, 2, 3)]
    assert graphs.epoch_so_far()[0]["loss"] == pytest.approx(np.mean(losses), rel=1e-12)
    graphs.begin_epoch()
    call = graphs.train(4)
    assert call.means["loss"] == pytest.approx(call.loss)
    assert call.wait_s > 0.0
    assert call.bad_step is None


def test_the_rate_is_that_of_the_last_step() -> None:
    graphs = loop.Loop(tiny.session(optim={"lr": 0.1, "warmup_steps": 4, "schedule": "constant"}))
    assert graphs.train(1).lr == 0.025
    assert graphs.train(3).lr == 0.075
    assert graphs.epoch_so_far()[1] == 0.075


def test_a_bad_step_stops_the_call_and_leaves_the_weights() -> None:
    session = tiny.session(system=tiny.Poisoned)
    bad = next(step for step in range(6) if 7 in session.pipeline.indices(step))
    graphs = loop.Loop(session)
    call = graphs.train(6)
    assert (call.bad_step, call.step) == (bad, bad + 1)
    assert math.isnan(call.loss)
    assert math.isfinite(call.means["loss"])  # of the good steps
    found = state.read(session.variables())
    before = train(bad)
    kept = [name for name in found if name not in ("train/step", "train/loss_count")]
    np.testing.assert_equal({name: found[name] for name in kept}, {name: before[name] for name in kept})


class LateFault:
    """A split whose pictures can be read for the statistics, and whose example 5 can't be read after that."""

    def __init__(self, split: Split) -> None:
        self.names, self._split = split.names, split

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: tf.Tensor, fields: frozenset[str]) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.Assert((index != 5) | ("mask" not in fields), ["the file ends too early"])]):
            return self._split.read(tf.identity(index), fields)


def test_an_unreadable_example_is_named() -> None:
    class Broken(FakeSource):
        def split(self, name: SplitName) -> Split:
            return LateFault(super().split(name)) if name == "train" else super().split(name)

    session = tiny.session(Broken, data={"cache": "none"})
    with pytest.raises(DataError, match=r"fake/train/5.*the file ends too early.*Mend or remove the file, or set data.on_error: skip"):
        loop.Loop(session).train(6)


def test_a_session_without_training_does_not_train() -> None:
    with pytest.raises(ValueError, match="training=True"):
        loop.Loop(tiny.session(training=False))


def test_a_batch_that_replicas_cannot_share() -> None:
    with pytest.raises(UsageError, match=r"data.batch: 3 can't be shared by 2 replica.*data.batch=2 or 4"):
        tiny.session(devices="cpu:2", data={"batch": 3})
