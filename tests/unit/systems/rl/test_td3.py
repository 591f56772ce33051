"""TD3: its targets by hand, and the order of its updates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.core.errors import RecipeError, UsageError
from tests.unit.systems.rl.learners import CONTINUOUS, SMALL, opened


def test_targets_are_smoothed_within_bounds_and_by_the_lower_critic() -> None:
    best = lambda observation, **_: {"mean": observation}  # noqa: E731
    critic = lambda given, **_: tf.concat([10.0 * given["action"], 5.0 + given["action"]], axis=1)  # noqa: E731
    system = opened("td3", *CONTINUOUS, "model.smoothing=0.2", "model.smoothing_clip=0.5").system
    system = system.with_networks({"policy_target": best, "critic_target": critic})
    minibatch = {
        "s_t": tf.constant([[0.1], [0.1], [0.9], [0.0]]),
        "noise_t": tf.constant([[1.0], [-9.0], [1.0], [1.0]]),
        "r_t": tf.constant([1.0, 1.0, 1.0, 1.0]),
        "discount_t": tf.constant([0.5, 0.5, 0.5, 0.0]),
    }
    # Actions 0.3; -0.4, the noise being clipped to -0.5; 1, the action being clipped; and an end.
    np.testing.assert_allclose(system.target(minibatch), [1 + 0.5 * 3.0, 1 - 0.5 * 4.0, 1 + 0.5 * 6.0, 1.0], rtol=1e-5)


class Counted:
    """Stands in for an update."""

    def __init__(self, name: str, order: list[str]) -> None:
        self.name, self.order = name, order

    def minimize(self, loss: Any, batch: Any, *, of: int) -> tf.Tensor:
        self.order.append(self.name)
        assert loss(batch).shape == [of]
        return tf.constant(float(len(self.order)))


def test_the_policy_follows_after_as_many_updates_of_the_critics_as_asked_for() -> None:
    system, order = opened("td3", *CONTINUOUS, "model.policy_delay=4").system, []
    rows = {"s_tm1": [4, 32, 1], "a_tm1": [4, 32, 1], "r_t": [4, 32], "discount_t": [4, 32], "s_t": [4, 32, 1], "noise_t": [4, 32, 1]}
    found, error = system._update({role: Counted(role, order) for role in ("critic", "policy")}, {k: tf.ones(v) for k, v in rows.items()})
    assert order == ["critic"] * 4 + ["policy"]
    assert (float(found["loss"]), float(found["policy_loss"])) == (2.5, 5.0)
    assert error.shape == [4, 32]


def test_updates_that_the_delay_does_not_divide_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"5 is not a multiple of model.policy_delay=2; use 6, or another policy_delay"):
        catalog.load("rl/td3", ["model.gradient_steps=5"])


def test_discrete_actions_are_for_others() -> None:
    with pytest.raises(UsageError, match=r"rl/td3 takes continuous actions, and identity has .*4 actions; use rl/dqn, rl/sac or rl/ppo"):
        opened("td3", *SMALL)
