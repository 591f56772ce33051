import time
from functools import partial

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.core.errors import DataError, UsageError
from kvision.data.environments import spaces
from kvision.data.environments.environment import first_seeds, next_seed
from kvision.data.environments.hosted import GymnasiumLanes
from kvision.data.environments.lane import Setting
from kvision.data.environments.worlds.cart_pole import CartPole
from tests.unit.data.environments.faulty import SPACE, Faulty, build

SPACES = spaces.of_gymnasium("Faulty-v0", Faulty())


def lanes(what="nothing", num=2, **options):
    return GymnasiumLanes(Setting("Faulty-v0", partial(build, what), **options), SPACES, num)


def test_seeds_of_training_validation_and_test_never_meet_and_do_not_come_back_soon():
    found = {}
    for stream in ("train", "val", "test"):
        seeds = first_seeds(stream, 0, 50)
        for _ in range(40):
            found.setdefault(stream, set()).update(seeds.tolist())
            seeds = next_seed(seeds)
    assert [len(values) for values in found.values()] == [2000, 2000, 2000]
    assert not found["train"] & found["val"] | found["train"] & found["test"] | found["val"] & found["test"]
    assert int(next_seed(tf.constant(first_seeds("val", 0, 1)))[0]) == next_seed(int(first_seeds("val", 0, 1)[0]))


def test_an_episode_s_end_begins_the_next_in_the_same_step_and_keeps_what_the_step_led_to():
    played = lanes(num=2)
    seeds = np.array([40, 44])
    played.begin(seeds)
    for _ in range(4):
        played.act(np.array([0, 1]))
    observation, reward, terminated, truncated, final = played.act(np.array([0, 1]))
    assert terminated.tolist() == [False, True]
    assert final[1][0] == 5
    assert observation[1][0] == 0
    assert observation[1][1] == Faulty().reset(seed=next_seed(44))[0][1]
    np.testing.assert_array_equal(observation[0], final[0])
    played.act(np.array([0, 0]))
    *_, truncated, final = played.act(np.array([0, 0]))
    assert truncated.tolist() == [True, False]
    assert final[0][0] == 7
    assert reward.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("workers", [False, True])
def test_lanes_go_on_from_where_they_stood(workers):
    actions = np.random.default_rng(0).integers(0, 2, (30, 2))
    one, other = lanes(workers=workers), lanes()
    try:
        one.begin(np.array([8, 12]))
        for pair in actions[:17]:
            one.act(pair)
        stands = one.stands()
        other.begin(np.array([0, 4]))
        other.put(stands)
        for pair in actions[17:]:
            for ours, theirs in zip(one.act(pair), other.act(pair), strict=True):
                np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(one.stands(), other.stands())
    finally:
        one.close()


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("raises", "Faulty-v0, lane 0, step 3 of the episode with seed 8: the environment raised ZeroDivisionError: the wheel fell off"),
        ("nan reward", "Faulty-v0, lane 0, step 3 of the episode with seed 8: the environment gave nan as its reward"),
        ("nan observation", "Faulty-v0, lane 0, step 3 of the episode with seed 8: the environment gave [ 3. inf] as its observation"),
    ],
)
def test_what_goes_wrong_names_the_lane_and_the_episode(what, said):
    played = lanes(what)
    played.begin(np.array([8, 12]))
    played.act(np.array([0, 0]))
    played.act(np.array([0, 0]))
    with pytest.raises(DataError, match=r"--resume") as found:
        played.act(np.array([0, 0]))
    assert said in str(found.value)


def test_a_graph_that_fails_leaves_the_fault_behind():
    played = lanes("raises")
    step = tf.function(lambda: played.step({}, tf.constant([0, 0]))[1].reward)
    played.reset(tf.constant([8, 12], tf.int64))
    step()
    step()
    with pytest.raises(tf.errors.OpError):
        step()
    assert "the wheel fell off" in str(played.fault)


@pytest.mark.parametrize(("what", "said"), [("hangs", r"lane 0, 1 did not answer within data\.timeout_s=1 s"), ("dies", "the worker of lane")])
def test_workers_that_hang_or_die_are_found(what, said):
    played = lanes(what, workers=True, timeout_s=1.0)
    began = time.monotonic()
    try:
        played.begin(np.array([8, 12]))
        played.act(np.array([0, 0]))
        played.act(np.array([0, 0]))
        with pytest.raises(DataError, match=said):
            played.act(np.array([0, 0]))
        assert time.monotonic() - began < 30
    finally:
        played.close()


def test_cart_poles_in_the_graph_are_those_of_sync():
    kind = catalog.source("gymnasium")
    graph, sync = (kind(kind.Options(vectorize=each, max_episode_steps=60), seed=0, base=None).maker().make(4) for each in ("auto", "sync"))
    assert isinstance(graph, CartPole)
    seeds = first_seeds("train", 1, 4)
    (state, observation), expected = graph.reset(tf.constant(seeds)), sync.begin(seeds)
    step, ends, draws = tf.function(graph.step, jit_compile=True), [], np.random.default_rng(0)
    for _ in range(300):
        np.testing.assert_allclose(observation, expected, rtol=0, atol=1e-7)
        # two lanes by an expert, so that time runs out; two by chance, so that poles fall
        actions = np.where(np.arange(4) < 2, expected @ [0.05, 0.1, 1.0, 0.5] > 0, draws.integers(2, size=4)).astype(np.int32)
        (state, found), theirs = step(state, tf.constant(actions)), sync.act(actions)
        np.testing.assert_allclose(found.final_observation, theirs[4], rtol=0, atol=1e-7)
        for ours, other in zip((found.reward, found.terminated, found.truncated), theirs[1:4], strict=True):
            np.testing.assert_array_equal(ours, other)
        ends.append([found.terminated.numpy().sum(), found.truncated.numpy().sum()])
        observation, expected = found.observation, theirs[0]
    assert (np.sum(ends, 0) > 8).all()
    sync.close()


def test_spaces_that_no_agent_takes_are_refused_with_what_to_do():
    class Odd(Faulty):
        observation_space = gymnasium.spaces.Tuple((SPACE, SPACE))

    class Endless(Faulty):
        action_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)

    with pytest.raises(DataError, match=r"Odd-v0 shows Tuple.*FlattenObservation"):
        spaces.of_gymnasium("Odd-v0", Odd())
    with pytest.raises(DataError, match=r"Endless-v0 has actions without bounds.*RescaleAction"):
        spaces.of_gymnasium("Endless-v0", Endless())


def test_an_unknown_environment_is_named_with_the_nearest():
    with pytest.raises(DataError, match=r"CartPoel-v1.*CartPole-v1"):
        _ = catalog.source("gymnasium")(catalog.source("gymnasium").Options(id="CartPoel-v1"), seed=0, base=None).info


@pytest.mark.parametrize("name", ["Faulty-v0", "Bare-v0"])
def test_an_environment_of_a_module_is_made_and_one_that_can_t_be_drawn_says_so(name):
    source = catalog.source("gymnasium")
    maker = source(source.Options(id=f"tests.unit.data.environments.faulty:{name}"), seed=0, base=None).maker()
    played = maker.make(1, render=True)
    played.begin(np.array([8]))
    assert played.act(np.array([0]))[1].tolist() == [1.0]
    with pytest.raises(UsageError, match=rf"{name} can't be drawn: it has no render mode rgb_array"):
        maker.picture(played, {}, 0)
