"""The averages of the weights against loops in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.unit.engine.rig import Rig, assert_close, batch


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_average_with_its_warm_up(devices: str) -> None:
    rig = Rig(devices, name="sgd", lr=0.5, ema_decay=0.15)
    expected = rig.weights()
    for t, decay in enumerate([0.1, 0.15, 0.15]):  # (1 + t) / (10 + t) is 0.1, 0.18, 0.25
        rig.train(batch(t))
        expected = [decay * average + (1 - decay) * weight for average, weight in zip(expected, rig.weights(), strict=True)]
    with rig.ema.swapped():
        assert_close(rig.weights(), expected)
    assert int(tf.convert_to_tensor(rig.ema.variables["ema/count"])) == 3


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_swa_is_the_equal_average_of_what_follows_its_start(devices: str) -> None:
    rig, seen = Rig(devices, name="sgd", lr=0.5, ema_decay=None, ema_start=2), []
    for t in range(5):
        rig.train(batch(t))
        seen.append(rig.weights())
        # Before the start, and at it, the average is the weights.
        expected = seen[-1] if t <= 2 else [np.mean(each, axis=0) for each in zip(*seen[2:], strict=True)]
        with rig.ema.swapped():
            assert_close(rig.weights(), expected)
    assert max(np.abs(one - other).max() for one, other in zip(seen[-1], expected, strict=True)) > 1e-3


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_the_weights_come_back_after_evaluation_even_after_an_error(devices: str) -> None:
    rig = Rig(devices, name="sgd", lr=0.5)
    rig.train(batch(0))
    before = rig.state()
    with pytest.raises(InterruptedError), rig.ema.swapped():
        raise InterruptedError(rig.weights()[0] == before["net/0"])
    assert_close(rig.state().values(), before.values(), atol=0.0)


def test_names_are_stable() -> None:
    assert list(Rig().ema.variables) == ["ema/count", "ema/0000", "ema/0001", "ema/0002", "ema/0003"]
