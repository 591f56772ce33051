"""A step that isn't taken: its loss and gradients are those of the step, and every layer is heard."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.engine.sanity import probe
from tests.unit.engine import tiny


@pytest.fixture(scope="module")
def opened():
    return tiny.session(training=False)


def test_loss_and_gradients_are_those_of_the_mean_and_no_weight_changes(opened) -> None:
    system, batch = opened.system, next(iter(opened.pipeline.train(0)))
    before = [variable.numpy() for variable in system.net.trainable_variables]
    first, second = (probe.step(system, batch, differentiate=True)["net"] for _ in range(2))
    assert float(first.loss) == float(second.loss)  # dropout draws the same
    for mine, again, start, variable in zip(first.gradients, second.gradients, before, system.net.trainable_variables, strict=True):
        np.testing.assert_array_equal(mine, again)
        np.testing.assert_array_equal(start, variable.numpy())
    half = {**batch, "weight": tf.constant([1.0, 1.0, 0.0, 0.0])}
    assert float(probe.step(system, half)["net"].loss) < float(first.loss)
    assert probe.step(system, batch)["net"].gradients == []


def test_layers_operations_and_inner_networks_are_heard_and_then_left_alone() -> None:
    image = keras.Input([4, 4, 3])
    inner = keras.Sequential([keras.layers.Conv2D(2, 1, name="conv")], name="inner")
    net = keras.Model(image, keras.activations.relu(inner(image)) + 1.0)
    heard: list[tuple[str, tuple[int, ...]]] = []

    system: Any = SimpleNamespace(networks={"net": net})
    with probe.listening(system, lambda name, _, outputs: heard.append((name, tuple(outputs.shape)))):
        net(np.zeros([2, 4, 4, 3]))
    assert [name.rpartition("/")[2].rstrip("_0123456789") for name, _ in heard] == ["conv", "re_lu", "add"]
    assert heard[0] == ("net/inner/conv", (2, 4, 4, 2))
    net(np.zeros([2, 4, 4, 3]))
    assert len(heard) == 3
