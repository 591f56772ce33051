"""Squashed normal distributions, against SciPy and a numerical change of variables."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from kvision.data.environments.spaces import Spaces
from kvision.systems.rl import _squashed

SPACES = Spaces((3,), "float32", low=(-2.0, 0.0), high=(2.0, 10.0))


def test_bounds_and_back() -> None:
    inside = tf.constant([[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0], [0.5, -0.5]])
    spread = _squashed.spread(inside, SPACES)
    np.testing.assert_allclose(spread, [[-2, 0], [0, 5], [2, 10], [1, 2.5]])
    np.testing.assert_allclose(_squashed.folded(spread, SPACES), inside)


def test_the_log_density_is_that_of_the_normal_one_changed_by_tanh() -> None:
    rng = np.random.default_rng(0)
    mean, log_std, noise = (rng.normal(size=[50, 2]).astype(np.float32) for _ in range(3))
    action, log_p = _squashed.sample(*(tf.constant(each) for each in (mean, log_std, noise)))
    u = mean + np.exp(log_std) * noise.astype(np.float64)
    wanted = stats.norm.logpdf(u, mean, np.exp(log_std)) - np.log1p(-(np.tanh(u) ** 2))
    np.testing.assert_allclose(action, np.tanh(u), rtol=1e-5, atol=1e-6)
    sane = (np.abs(u) < 5).all(axis=1)  # beyond, the naive formula has lost its digits
    np.testing.assert_allclose(log_p.numpy()[sane], wanted.sum(axis=1)[sane], rtol=1e-4, atol=1e-4)


def test_the_density_integrates_to_1() -> None:
    mean, std = 0.7, 0.5
    a = np.linspace(-1 + 1e-6, 1 - 1e-6, 200_001)
    noise = (np.arctanh(a) - mean) / std
    _, log_p = _squashed.sample(*(tf.constant(each[:, None]) for each in (np.full_like(a, mean), np.full_like(a, np.log(std)), noise)))
    assert np.trapezoid(np.exp(log_p.numpy()), a) == pytest.approx(1.0, abs=1e-4)


def test_far_out_the_log_density_stays_finite_and_has_a_gradient() -> None:
    mean = tf.constant([[60.0], [-60.0]])
    with tf.GradientTape() as tape:
        tape.watch(mean)
        _, log_p = _squashed.sample(mean, tf.fill([2, 1], 9.0), tf.ones([2, 1]))
    assert np.isfinite(log_p).all()
    assert np.isfinite(tape.gradient(log_p, mean)).all()
