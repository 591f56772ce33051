"""SAC: soft values by hand, and the temperature."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from kvision.engine.loop import Loop
from tests.unit.systems.rl.learners import CONTINUOUS, SMALL, opened


def test_the_soft_value_of_discrete_actions_is_their_mean_and_the_entropy() -> None:
    p, q = np.array([[0.5, 0.25, 0.25]], np.float32), np.array([[[1.0, 2.0, 6.0], [3.0, 1.0, 4.0]]], np.float32)
    policy, critic = (lambda *_, **__: {"logits": tf.math.log(p)}), (lambda *_, **__: tf.constant(q))
    system = opened("sac", *SMALL).system.with_networks({"policy": policy, "critic": critic})
    value, entropy = system.soft_value("critic", tf.zeros([1, 4]), None, tf.constant(2.0))
    wanted = 0.5 * math.log(2) + 0.5 * math.log(4)
    np.testing.assert_allclose(entropy, [wanted], rtol=1e-6)
    np.testing.assert_allclose(value, [0.5 * 1 + 0.25 * 1 + 0.25 * 4 + 2 * wanted], rtol=1e-6)


def test_the_soft_value_of_quantities_is_that_of_one_draw_by_the_lower_critic() -> None:
    policy = lambda *_, **__: {"mean": tf.constant([[0.3]]), "log_std": tf.constant([[-1.0]])}  # noqa: E731
    critic = lambda given, **_: tf.concat([given["action"] + 1.0, 2.0 * given["action"]], axis=1)  # noqa: E731
    system = opened("sac", *CONTINUOUS).system.with_networks({"policy": policy, "critic": critic})
    value, entropy = system.soft_value("critic", tf.zeros([1, 1]), tf.constant([[0.5]]), tf.constant(0.2))
    u = 0.3 + math.exp(-1) * 0.5
    log_p = -0.125 + 1.0 - 0.5 * math.log(2 * math.pi) - math.log(1 - math.tanh(u) ** 2)
    np.testing.assert_allclose(entropy, [-log_p], rtol=1e-5)
    np.testing.assert_allclose(value, [2 * math.tanh(u) - 0.2 * log_p], rtol=1e-5)


def test_target_entropies() -> None:
    assert opened("sac", *CONTINUOUS, "data.dims=3").system.target_entropy == -3.0
    assert opened("sac", *SMALL).system.target_entropy == pytest.approx(0.98 * math.log(4))
    assert opened("sac", *SMALL, "model.target_entropy=0.5").system.target_entropy == 0.5


@pytest.mark.parametrize(("target", "rises"), [("5.0", True), ("-5.0", False)])
def test_the_temperature_rises_where_the_policy_is_not_random_enough(target: str, rises: bool) -> None:
    session = opened("sac", *CONTINUOUS, f"model.target_entropy={target}", "model.learning_starts=16", "model.first_temperature=0.5")
    Loop(session).train(2)
    assert (float(session.system.carried()["log_temperature"].numpy()) > math.log(0.5)) == rises


def test_a_fixed_temperature_is_not_learnt() -> None:
    system = opened("sac", *CONTINUOUS, "model.temperature=0.2").system
    assert set(system.trainables()) == {"policy", "critic"}
    assert float(system.carried()["log_temperature"].numpy()) == pytest.approx(math.log(0.2))


def test_what_acts_is_the_squashed_mean_within_the_bounds_and_devices_are_told() -> None:
    system = opened("sac", *CONTINUOUS).system
    np.testing.assert_allclose(system.act({"mean": tf.constant([[-50.0], [0.0], [0.5]])}), [[-1.0], [0.0], [math.tanh(0.5)]], rtol=1e-6)
    decoding = system.decoding()
    assert (decoding["policy"], decoding["output"], decoding["log_std"], decoding["squash"]) == ("gaussian", "mean", "log_std", True)
