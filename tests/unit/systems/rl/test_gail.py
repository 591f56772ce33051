"""GAIL does as the teacher does, right or wrong, by a reward of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.core.errors import RecipeError
from kvision.engine.loop import Loop
from tests.unit.systems.rl import teachers

RECIPE = "rl/gail"
QUICK = (
    "train.epochs=1",
    "data.steps=2000",
    "data.batch=80",
    "model.minibatch=80",
    "model.epochs=10",
    "model.gamma=0.5",
    "model.entropy=0.01",
    "optim.lr=1e-2",
)


@pytest.fixture(scope="module")
def made() -> Any:
    return teachers.opened(RECIPE, teachers.Taught, *QUICK)


def test_its_reward_is_minus_the_log_of_being_the_policy(made: Any) -> None:
    system, batch = made.system, next(iter(made.pipeline.train(0)))
    rollout = {name: tf.reshape(batch[name], [20, 4, *batch[name].shape[1:]]) for name in ("observation", "action")}
    rollout["reward"] = tf.fill([20, 4], 7.0)
    odds = system.logit(batch["observation"], batch["action"]).numpy()
    policy = 1 / (1 + np.exp(odds))
    assert np.ptp(odds) > 0.1
    np.testing.assert_allclose(tf.reshape(system._reward(rollout), [-1]), -np.log(policy), rtol=1e-5)


def test_the_discriminator_s_loss_is_the_cross_entropy_of_both(made: Any) -> None:
    system, batch = made.system, next(iter(made.pipeline.train(0)))
    other = {"observation": batch["observation"], "action": (batch["action"] + 1) % teachers.CHOICES}
    rollout = {name: tf.reshape(value, [20, 4, *value.shape[1:]]) for name, value in other.items()}
    odds = [system.logit(each["observation"], each["action"]).numpy() for each in (batch, other)]
    expected = np.mean(np.log1p(np.exp(-odds[0])) + np.log1p(np.exp(odds[1])))
    right = np.mean([odds[0] > 0, odds[1] < 0])
    expert = {name: batch[name] for name in ("observation", "action")}
    found = made.strategy.run(system._tell_apart, (_Still(made.for_training.updates["discriminator"]), rollout, expert))
    assert float(found["discriminator_loss"]) == pytest.approx(expected, rel=1e-5)
    assert float(found["discriminator_accuracy"]) == pytest.approx(right)


class _Still:
    """Gives the loss and leaves the weights."""

    def __init__(self, update: Any) -> None:
        self._update = update

    def minimize(self, loss: Any, batch: Any) -> tf.Tensor:
        return tf.reduce_mean(loss(batch))


def test_it_learns_what_the_teacher_does_and_not_what_is_rewarded(made: Any) -> None:
    call = Loop(made).train(made.for_training.total)
    assert made.system.collector.steps.numpy() == 2000
    assert teachers.answers(made.system) == [1, 2, 3, 0]
    assert 0.4 < call.means["discriminator_accuracy"] < 1.0


@pytest.mark.slow
def test_it_learns_quantities() -> None:
    made = teachers.opened(RECIPE, teachers.TaughtQuantities, *QUICK)
    Loop(made).train(made.for_training.total)
    shown = np.random.default_rng(0).uniform(-1, 1, (100, 2)).astype(np.float32)
    error = np.abs(made.system.predict_step(shown)["action"].numpy() - shown / 2).mean()
    assert error < 0.12  # of one who always says 0: 0.25


def test_the_environment_s_rewards_have_no_options() -> None:
    with pytest.raises(RecipeError, match=r"model.reward: got sign; the environment's rewards are not learnt from"):
        catalog.load(RECIPE, ["model.reward=sign"])
