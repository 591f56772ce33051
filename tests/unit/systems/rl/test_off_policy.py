"""What agents with replay buffers share: when they learn, what checkpoints hold, target networks; and that all of them learn the identity."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kvision import catalog
from kvision.core.errors import RecipeError, UsageError
from kvision.engine import state
from kvision.engine.loop import Loop
from kvision.systems.rl import _off_policy
from tests.unit.systems.rl.learners import CONTINUOUS, SMALL, opened


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        pytest.param("dqn", SMALL, id="dqn"),
        pytest.param("sac", CONTINUOUS, id="sac", marks=pytest.mark.slow),
        pytest.param("sac", (*SMALL, "model.target_entropy=0.1"), id="sac-discrete", marks=pytest.mark.slow),
        pytest.param("td3", CONTINUOUS, id="td3", marks=pytest.mark.slow),
    ],
)
def test_the_identity_is_learnt_in_2000_steps(name: str, overrides: tuple[str, ...]) -> None:
    loop = Loop(opened(name, *overrides, "optim.lr=1e-2"))
    before = loop.evaluate()
    loop.train(124)
    after = loop.evaluate()
    assert before is not None
    assert after is not None
    assert before["return"] < 0.8 * before["length"]
    assert after["return"] >= 0.9 * after["length"]


def test_nothing_is_learnt_until_the_buffer_holds_enough_and_resumed_runs_may_begin_with_an_empty_one() -> None:
    session = opened("td3", *CONTINUOUS, "model.checkpoint_replay=false", "model.learning_starts=48")
    carried = session.system.carried()
    assert "replay/updates" in carried
    assert "replay/observation" not in carried
    loop, weights = Loop(session), [state.read(session.weights())]
    for step in (2, 3):
        loop.train(step)
        weights.append(state.read(session.weights()))
    moved = [any((before[name] != after[name]).any() for name in before) for before, after in itertools.pairwise(weights)]
    assert moved == [False, True]
    assert int(carried["replay/updates"].numpy()) == 8


def test_checkpoints_hold_the_buffer_and_its_priorities() -> None:
    carried = opened("td3", *CONTINUOUS, "model.prioritised=true").system.carried()
    wanted = {"observation", "action", "reward", "terminated", "truncated", "final_observation", "rows_played", "priority_sums", "highest_priority"}
    assert {name.removeprefix("replay/") for name in carried if name.startswith("replay/")} == {*wanted, "updates"}


def test_a_target_network_goes_its_share_of_the_way() -> None:
    networks = opened("td3", *CONTINUOUS).system.networks
    slow, fast = networks["policy_target"], networks["policy"]
    for variable in fast.trainable_variables:
        variable.assign(variable + 1.0)
    before = [variable.numpy() for variable in slow.trainable_variables]
    _off_policy.follow(slow, fast, 0.25)
    for old, variable in zip(before, slow.trainable_variables, strict=True):
        np.testing.assert_allclose(variable, old + 0.25, rtol=1e-5, atol=1e-6)
    _off_policy.follow(slow, fast)
    for one, other in zip(slow.trainable_variables, fast.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("dqn", ("model.dueling=true", "model.noisy=true", "model.distribution=c51", "model.prioritised=true", "model.n_step=3")),
        ("sac", ("model.prioritised=true", "model.normalise_observation=true", "model.reward=sign", "model.body=mlp")),
    ],
)
def test_pictures_and_all_options_together(name: str, overrides: tuple[str, ...]) -> None:
    small = ("data.source=catch", "data.envs=2", "data.batch=4", "data.steps=40", "data.episodes=2", "train.epochs=1", "model.hidden=[8]")
    learning = ("model.capacity=40", "model.learning_starts=4", "model.minibatch=4", "model.gradient_steps=2", *overrides)
    session = opened(name, *small, *learning)
    before = state.read(session.weights())
    assert Loop(session).train(3).bad_step is None
    after = state.read(session.weights())
    assert session.system.carried()["replay/observation"].dtype == "uint8"
    still = {name for name in after if (before[name] == after[name]).all()}
    assert all("target" in name for name in still), still


def test_minibatches_that_devices_can_t_share_are_refused() -> None:
    with pytest.raises(UsageError, match=r"model.minibatch: 33 transitions can't be shared by 2 devices; use a multiple of 2"):
        opened("td3", *CONTINUOUS, "model.minibatch=33", devices="cpu:2")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.capacity=900", r"900 transitions are fewer than model.learning_starts=1000; use at least 1000"),
        ("model.reward=normalised", r"drawn from the buffer; use raw or sign"),
        ("model.greatest_return=0", r"0.0 is not above model.least_return=0.0"),
        ("data.source=digits", r"digits has no environment"),
    ],
)
def test_recipes_that_can_t_work_are_refused(override: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        catalog.load("rl/dqn", [override])
