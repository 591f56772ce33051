"""Behaviour cloning does as the teacher does, right or wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.core.errors import DataError, RecipeError
from kvision.data.pipeline import Pipeline
from kvision.data.sources import gymnasium
from kvision.engine.loop import Loop
from kvision.systems.rl.behaviour_cloning import BehaviourCloning
from tests.unit.systems.rl import teachers

RECIPE = "rl/behaviour_cloning"
QUICK = ("train.epochs=10", "data.batch=32", "optim.lr=1e-2")


def test_it_learns_what_the_teacher_does_and_not_what_is_rewarded() -> None:
    made = teachers.opened(RECIPE, teachers.Taught, *QUICK)
    loop = Loop(made)
    untaught = loop.evaluate()
    loop.train(made.for_training.total)
    taught = loop.evaluate()
    assert teachers.answers(made.system) == [1, 2, 3, 0]
    assert untaught is not None
    assert taught is not None
    assert taught["return"] == 0.0 < untaught["return"]


def test_it_learns_quantities() -> None:
    made = teachers.opened(RECIPE, teachers.TaughtQuantities, *QUICK, "model.normalise_observation=true")
    Loop(made).train(made.for_training.total)
    shown = np.array([[-0.8, 0.8], [0.5, 0.0]], np.float32)
    np.testing.assert_allclose(made.system.predict_step(shown)["action"], shown / 2, rtol=0, atol=0.1)
    seen = made.pipeline._source.recorded.observations  # type: ignore[attr-defined]
    np.testing.assert_allclose(made.system.net.get_layer("normalise").mean, seen.mean(0), rtol=0, atol=0.05)


def test_its_loss_is_the_cross_entropy() -> None:
    made = teachers.opened(RECIPE, teachers.Taught, *QUICK)
    batch = next(iter(made.pipeline.train(0)))
    logits = made.system.net(batch["observation"])["logits"]
    expected = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(batch["action"], logits))
    found = made.strategy.run(made.system.train_step, (batch, made.for_training.updates))
    assert float(found["loss"]) == pytest.approx(float(expected), rel=1e-6)
    assert float(expected) == pytest.approx(made.system.expected_initial_loss(), rel=0.02)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.reward=sign", "model.reward: got sign; nothing is learnt from rewards here"),
        ("model.gamma=0.9", "model.gamma: got 0.9; nothing is learnt from rewards here"),
    ],
)
def test_options_of_rewards_are_refused(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        catalog.load(RECIPE, [override])


def test_any_batch_will_do_for_no_lanes_share_it() -> None:
    assert catalog.load(RECIPE, ["data.batch=33", "data.envs=8"]).recipe.data.batch == 33


def test_a_source_without_demonstrations() -> None:
    options = gymnasium.Options(id="CartPole-v1")
    with pytest.raises(DataError, match=r"gymnasium has no action, observation; it gives seed"):
        Pipeline(gymnasium.GymnasiumSource(options, seed=0, base=Path()), options, BehaviourCloning.fields, 0)  # type: ignore[arg-type]
