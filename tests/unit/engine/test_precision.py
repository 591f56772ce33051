"""Policies and the loss scale of float16."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.core.errors import UsageError
from kvision.engine import precision
from tests.unit.engine.rig import Rig, assert_close, batch


@pytest.mark.parametrize(("name", "compute"), [("fp32", "float32"), ("bf16", "bfloat16"), ("fp16", "float16")])
def test_policy(name: str, compute: str) -> None:
    precision.set_policy(name)
    policy = keras.config.dtype_policy()
    assert (policy.compute_dtype, policy.variable_dtype) == (compute, "float32")


def test_unknown_precision() -> None:
    with pytest.raises(UsageError, match="--precision int8: accepted are fp32, bf16, fp16"):
        precision.set_policy("int8")


def test_the_scale_halves_on_overflow_and_doubles_after_good_steps() -> None:
    scale = precision.DynamicLossScale(initial=8.0, growth_steps=3)
    values = []
    for finite in [True, False, True, True, True, True, True, True]:
        scale.update(tf.constant(finite))
        values.append(float(scale.value))
    assert values == [8.0, 4.0, 4.0, 4.0, 8.0, 8.0, 8.0, 16.0]
    assert list(scale.variables) == ["loss_scale", "loss_scale_good_steps"]


def test_at_scale_one_the_scale_is_not_to_blame() -> None:
    scale = precision.DynamicLossScale(initial=2.0)
    assert not bool(scale.exhausted)
    scale.update(tf.constant(False))
    scale.update(tf.constant(False))
    assert float(scale.value) == 1.0
    assert bool(scale.exhausted)


@pytest.mark.parametrize("devices", ["cpu", "cpu:2"])
def test_an_overflow_skips_the_step_and_halves_the_scale(devices: str) -> None:
    rig = Rig(devices, fp16=True, name="adam")
    rig.train(batch(0))
    rig.scale.variables["loss_scale"].assign(3e38)
    before = rig.state()
    (loss,) = rig.train(batch(1))
    assert np.isfinite(loss)
    assert_close(before.values(), rig.state().values(), atol=0.0)
    assert float(tf.convert_to_tensor(rig.scale.variables["loss_scale"])) == pytest.approx(1.5e38)
    assert int(tf.convert_to_tensor(rig.guard.first_bad)) == -1
    rig.scale.variables["loss_scale"].assign(1024.0)
    rig.train(batch(2))
    assert not np.array_equal(rig.state()["net/0"], before["net/0"])


def test_scaling_does_not_change_the_update() -> None:
    plain, scaled = Rig(name="sgd", clip_norm=0.1), Rig(name="sgd", clip_norm=0.1, fp16=True)
    for rig in (plain, scaled):
        rig.train(batch(0), batch(1))
    assert_close(plain.weights(), scaled.weights())
