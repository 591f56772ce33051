import math

import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.core.errors import RecipeError, UsageError
from kvision.engine import session, state
from kvision.engine.loop import Loop

SMALL = ["model.hidden=[16]", "data.episodes=8", "model.minibatch=32", "model.epochs=2", "data.batch=64", "data.steps=640"]


def opened(name="ppo", *overrides):
    found = catalog.load(name, overrides)
    return session.open_session(found, catalog.system(found.recipe.system), catalog.source(found.recipe.data.source), devices="cpu")


@pytest.fixture(scope="module")
def small():
    return opened("ppo", *SMALL)


def test_before_any_update_the_ratio_is_1_and_the_divergence_0(small):
    system = small.system
    rollout = system._actor_critic.play()
    data = system._actor_critic.judged(rollout, 0.95)
    terms = system.terms(data, 1e-6)
    np.testing.assert_allclose(terms["approx_kl"], 0.0, atol=1e-7)
    assert float(tf.reduce_max(terms["clip_fraction"])) == 0.0
    np.testing.assert_allclose(terms["policy_loss"], -data["advantage"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(terms["value_loss"], tf.square(data["value"] - data["target"]), rtol=1e-4, atol=1e-5)


def test_the_clipped_surrogate_and_the_clipped_value_by_hand(small):
    system = small.system
    seen = tf.zeros([4, 4])
    said = system.networks["policy"](seen)
    log_prob = system._actor_critic.distribution.log_prob(said, tf.zeros([4], tf.int32))
    value = system.networks["value"](seen)["value"]
    part = {
        "observation": seen,
        "action": tf.zeros([4], tf.int32),
        "log_prob": log_prob - tf.math.log([1.5, 1.5, 0.5, 0.5]),
        "advantage": tf.constant([2.0, -2.0, 2.0, -2.0]),
        "target": value + 3.0,
        "value": value - 1.0,
    }
    terms = system.terms(part, 0.2)
    np.testing.assert_allclose(terms["policy_loss"], [-2.4, 3.0, -1.0, 1.6], rtol=1e-5)
    np.testing.assert_allclose(terms["clip_fraction"], [1, 1, 1, 1])
    np.testing.assert_allclose(terms["value_loss"], [9.0] * 4, rtol=1e-5)
    ratio = np.array([1.5, 1.5, 0.5, 0.5])
    np.testing.assert_allclose(terms["approx_kl"], ratio - 1 - np.log(ratio), rtol=1e-4)
    clipped = opened("ppo", *SMALL, "model.value_clip=0.5").system
    clipped.networks["value"].set_weights(system.networks["value"].get_weights())
    np.testing.assert_allclose(clipped.terms(part, 0.2)["value_loss"], [3.5**2] * 4, rtol=1e-5)


def test_each_step_of_a_rollout_is_learnt_from_once_an_epoch(small):
    order = small.system._order().numpy()
    assert order.shape == (4, 32)
    for epoch in order.reshape(2, 64):
        assert sorted(epoch) == list(range(64))
    assert order.reshape(2, 64)[0].tolist() != order.reshape(2, 64)[1].tolist()


def test_runs_of_one_seed_are_equal_to_the_bit_and_go_on_so_from_a_checkpoint():
    one, other = opened("ppo", *SMALL), opened("ppo", *SMALL)
    Loop(one).train(4)
    halfway = state.read(one.variables())
    Loop(one).train(8)
    Loop(other).train(8)
    ends = state.read(one.variables())
    for name, value in state.read(other.variables()).items():
        np.testing.assert_array_equal(value, ends[name], err_msg=name)
    state.write(other.variables(), halfway, "the test")
    Loop(other).train(8)
    for name, value in state.read(other.variables()).items():
        np.testing.assert_array_equal(value, ends[name], err_msg=name)
    assert not np.array_equal(halfway["carried/play/observation"], ends["carried/play/observation"])


IDENTITY = """
system: rl/{name}
model: {{gamma: 0.5, hidden: [32]{own}}}
loss: {{}}
data: {{source: identity, envs: 8, batch: 64, steps: 2000, episodes: 8}}
optim: {{name: adam, lr: 2e-2, schedule: constant}}
train: {{epochs: 1, seed: 0}}
"""


@pytest.mark.parametrize(("name", "own"), [("ppo", ", minibatch: 64, epochs: 8"), ("a2c", ""), ("reinforce", "")])
def test_the_identity_is_learnt_in_2000_steps(name, own, tmp_path):
    (tmp_path / "identity.yaml").write_text(IDENTITY.format(name=name, own=own))
    loop = Loop(opened(tmp_path / "identity.yaml"))
    before = loop.evaluate()
    loop.train(31)
    after = loop.evaluate()
    assert before["return"] < 0.6 * before["length"]
    assert after["return"] >= 0.9 * after["length"]


def test_what_the_engine_reports_is_finite(small):
    call = Loop(small).train(2)
    assert set(call.means) == {"loss", *small.system.reports}
    assert all(math.isfinite(value) for value in call.means.values())


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("data.batch=250", r"250 environment steps can't be shared by data.envs=8 lanes; use a multiple of 8, such as 248"),
        ("model.minibatch=100", r"100 steps don't divide data.batch=256"),
        ("data.source=digits", r"digits has no environment"),
        ("optim.accumulate=2", r"agents cut what they have played into minibatches"),
    ],
)
def test_recipes_that_can_t_work_are_refused(override, said):
    with pytest.raises(RecipeError, match=said):
        catalog.load("ppo", [override])


def test_pictures_are_not_normalised_twice(tmp_path):
    recipe = IDENTITY.format(name="ppo", own=", normalise_observation: true").replace("source: identity", "source: catch")
    (tmp_path / "pixels.yaml").write_text(recipe)
    with pytest.raises(UsageError, match=r"model.normalise_observation: the body nature divides pictures by 255 itself"):
        opened(tmp_path / "pixels.yaml")


@pytest.mark.parametrize(("target_kl", "made"), [("1e-8", 4), ("null", 8)])
def test_a_policy_that_went_too_far_is_not_updated_again_on_the_same_rollout(target_kl, made):
    found = opened("ppo", *SMALL, f"model.target_kl={target_kl}", "optim.lr=1e-2")
    Loop(found).train(2)
    # Of 4 updates on a rollout the first finds that nothing has moved yet, the second that it has.
    assert int(state.read(found.variables())["train/agent/0/0000"]) == made


def test_before_the_first_episode_is_over_there_is_no_return_and_then_its_mean_is_of_the_steps_that_have_one():
    found = opened("ppo", *SMALL)  # eight steps on each lane, and no pole falls so soon
    loop = Loop(found)
    call = loop.train(1)
    assert math.isnan(call.means["return"])
    assert math.isfinite(call.means["loss"])
    loop.train(10)
    counts = {name: int(variable.numpy()) for name, variable in found.for_training.counts.items()}
    assert counts["loss"] == 10
    assert 5 < counts["return"] < 10
    assert loop.epoch_so_far()[0]["return"] > 9.0
