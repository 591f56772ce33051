"""Stochastic depth: branches are left out example by example, what is kept is scaled up, and evaluation is left alone."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.layers import stochastic_depth
from kvision.layers.stochastic_depth import StochasticDepth

X = np.random.default_rng(0).uniform(1.0, 2.0, (4000, 2, 3)).astype(np.float32)


def test_in_training_each_example_is_left_out_or_scaled_up() -> None:
    keras.utils.set_random_seed(0)
    found = StochasticDepth(0.8)(X, training=True).numpy()
    kept = found.any(axis=(1, 2))
    np.testing.assert_allclose(found[kept], X[kept] / 0.8, rtol=1e-6)
    assert kept.mean() == pytest.approx(0.8, abs=0.02)
    assert found.mean() == pytest.approx(X.mean(), rel=0.03)


def test_evaluation_and_certain_survival_change_nothing() -> None:
    np.testing.assert_array_equal(StochasticDepth(0.3)(X), X)
    np.testing.assert_array_equal(StochasticDepth(1.0)(X, training=True), X)


def test_a_block_is_its_input_plus_what_survives() -> None:
    entry = keras.Input((2, 3))
    net = keras.Model(entry, stochastic_depth.added(entry, 2.0 * entry, 0.5, "block"))
    found = net(X, training=True).numpy() / X
    assert set(np.round(np.unique(found), 4)) == {1.0, 5.0}  # x, or x + 2x / 0.5
    np.testing.assert_allclose(net(X), 3.0 * X, rtol=1e-6)
    assert not any(layer.name == "block_depth" for layer in keras.Model(entry, stochastic_depth.added(entry, entry, 1.0, "block")).layers)


def test_survival_falls_linearly() -> None:
    assert [stochastic_depth.falling(0.5, number, 4) for number in range(5)] == pytest.approx([1.0, 0.875, 0.75, 0.625, 0.5])


def test_it_is_saved_with_its_survival() -> None:
    assert StochasticDepth.from_config(StochasticDepth(0.7).get_config()).survival == 0.7
