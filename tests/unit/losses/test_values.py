"""Losses of value functions, against slow loops and the statistics that they are to find."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.losses import values


def test_huber_is_a_parabola_that_goes_on_as_a_line() -> None:
    error = tf.constant([0.0, 0.5, -1.0, 2.0, -4.0])
    np.testing.assert_allclose(values.huber(error), [0.0, 0.125, 0.5, 1.5, 3.5])
    np.testing.assert_allclose(values.huber(error, 2.0), [0.0, 0.125, 0.5, 2.0, 6.0])


def test_the_gradient_of_huber_is_the_clipped_error() -> None:
    error = tf.constant([-3.0, -1.0, -0.2, 0.0, 0.7, 5.0])
    with tf.GradientTape() as tape:
        tape.watch(error)
        loss = values.huber(error)
    np.testing.assert_allclose(tape.gradient(loss, error), np.clip(error, -1, 1))


def slowly_projected(p: np.ndarray, z: np.ndarray, atoms: np.ndarray) -> np.ndarray:
    """Algorithm 1 of Bellemare et al. 2017, one transition and one atom at a time."""
    low, gap = atoms[0], atoms[1] - atoms[0]
    found = np.zeros_like(p)
    for row in range(len(p)):
        for j in range(p.shape[1]):
            b = (min(max(z[row, j], low), atoms[-1]) - low) / gap
            lower, upper = int(np.floor(b)), int(np.ceil(b))
            if lower == upper:
                found[row, lower] += p[row, j]
            else:
                found[row, lower] += p[row, j] * (upper - b)
                found[row, upper] += p[row, j] * (b - lower)
    return found


def test_the_projection_is_that_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    atoms, p = np.linspace(-2.0, 3.0, 11), rng.dirichlet(np.ones(11), 20)
    reward, discount = rng.normal(0, 2, [20, 1]), rng.choice([0.0, 0.9, 1.0], [20, 1])
    reward[0], discount[0] = 0.5, 0.0  # an atom, and the end of the episode: all of it goes there
    z = reward + discount * atoms
    found = values.project(*(tf.constant(each) for each in (p, z, atoms)))
    np.testing.assert_allclose(found, slowly_projected(p, z, atoms), atol=1e-12)
    np.testing.assert_allclose(found[0], np.eye(11)[5], atol=1e-12)


def test_projecting_keeps_the_mean_within_the_atoms() -> None:
    atoms, p = tf.linspace(0.0, 10.0, 51), tf.fill([1, 51], 1 / 51)
    z = 0.3 + 0.9 * atoms[None]
    assert float(tf.reduce_sum(values.project(p, z, atoms) * atoms)) == pytest.approx(float(tf.reduce_mean(z)), rel=1e-5)


def test_the_categorical_loss_is_least_at_the_target_where_it_is_its_entropy() -> None:
    target = tf.constant([[0.2, 0.5, 0.3]])
    entropy = -float(tf.reduce_sum(target * tf.math.log(target)))
    assert float(values.categorical(tf.math.log(target) + 7.0, target)[0]) == pytest.approx(entropy, rel=1e-6)
    assert float(values.categorical(tf.zeros([1, 3]), target)[0]) == pytest.approx(np.log(3), rel=1e-6)


def test_quantile_regression_by_hand() -> None:
    # Shares 0.25 and 0.75. Errors of the first quantile, 0: 1 and -3; of the second, 2: -1 and -5.
    found = values.quantile(tf.constant([[0.0, 2.0]]), tf.constant([[1.0, -3.0]]))
    assert float(found[0]) == pytest.approx((0.25 * 0.5 + 0.75 * 2.5) / 2 + (0.25 * 0.5 + 0.25 * 4.5) / 2)


def test_quantile_regression_settles_at_the_quantiles() -> None:
    draws = tf.random.stateless_normal([1, 2000], [0, 1])
    quantiles = tf.Variable(tf.zeros([1, 5]))
    for _ in range(400):
        with tf.GradientTape() as tape:
            loss = values.quantile(quantiles, draws, delta=0.01)
        quantiles.assign_sub(0.1 * tape.gradient(loss, quantiles))
    np.testing.assert_allclose(quantiles[0], np.quantile(draws[0], [0.1, 0.3, 0.5, 0.7, 0.9]), atol=0.03)
