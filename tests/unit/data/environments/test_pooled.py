import sys

import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.core.errors import DataError
from kvision.data.environments.environment import next_seed
from kvision.data.environments.pooled import PooledLanes
from kvision.data.environments.spaces import Spaces
from kvision.systems.rl._collector import Collector

GYMNASIUM = catalog.source("gymnasium")
SPACES = Spaces((2,), "float32", None, (2,))


class Pool:
    """EnvPool's interface: lane i counts from its seed, and ends after i + 2 steps; it would begin anew in the next step."""

    def __init__(self, seeds, bad=None):
        self._at, self._bad = np.array([[seed, 0] for seed in seeds], np.float32), bad
        self._seeds = np.array(seeds, np.float32)
        self.drawn = 0

    def reset(self, lanes=None):
        lanes = np.arange(len(self._seeds)) if lanes is None else lanes
        self.drawn += len(lanes)
        self._at[lanes] = np.stack([self._seeds[lanes] + 1000 * (self.drawn - len(lanes)), np.zeros(len(lanes))], 1)
        return self._at[lanes].copy(), {}

    def step(self, actions):
        self._at[:, 1] += 1
        over = self._at[:, 1] == np.arange(len(self._at)) + 2
        reward = np.where(self._at[:, 1] == self._bad, np.nan, actions).astype(np.float32)
        return self._at.copy(), reward, over & (actions > 0), over & (actions == 0), {}


def lanes(**options):
    return PooledLanes("Counting-v0", lambda seeds: Pool(seeds, **options), SPACES, 2)


def test_an_end_begins_the_next_episode_in_the_same_step_and_keeps_what_the_step_led_to():
    played = lanes()
    assert played.begin(np.array([4, 8])).tolist() == [[4, 0], [8, 0]]
    played.act(np.array([1, 1]))
    observation, reward, terminated, truncated, final = played.act(np.array([1, 0]))
    assert final.tolist() == [[4, 2], [8, 2]]
    assert observation.tolist() == [[2004, 0], [8, 2]]
    assert (reward.tolist(), terminated.tolist(), truncated.tolist()) == ([1, 0], [True, False], [False, False])
    *_, terminated, truncated, final = played.act(np.array([0, 0]))
    assert (terminated.tolist(), truncated.tolist(), final.tolist()) == ([False, False], [False, True], [[2004, 1], [8, 3]])


def test_numbers_that_are_not_finite_name_the_lane():
    played = lanes(bad=1)
    played.begin(np.array([4, 8]))
    with pytest.raises(DataError, match=r"Counting-v0, lane 0, made with seed 4: EnvPool gave nan as its reward"):
        played.act(np.array([1, 0]))


def test_a_resumed_run_begins_new_episodes_and_knows_it():
    class Maker:
        spaces = SPACES

        def make(self, num):
            return lanes()

    collector = Collector(Maker(), 2, seed=0)
    collector.rollout(lambda seen, draw: {"action": tf.zeros([2], tf.int32)}, 1)
    kept = {name: np.array(variable.numpy()) for name, variable in collector.variables.items()}
    seeds = kept["play/environment/0"]
    assert kept["play/length"].tolist() == [1, 1]
    for name, variable in collector.variables.items():
        variable.assign(kept[name])
    assert collector.observation.numpy().tolist() == [[seed, 0] for seed in next_seed(seeds.astype(np.int64)).astype(np.float32)]
    assert collector.variables["play/length"].numpy().tolist() == [0, 0]
    assert collector.variables["play/environment/0"].numpy().tolist() == next_seed(seeds.astype(np.int64)).tolist()


def maker(**options):
    return GYMNASIUM(GYMNASIUM.Options(vectorize="envpool", **options), seed=0, base=None).maker()


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "envpool", None)
    with pytest.raises(DataError, match=r"data\.vectorize: envpool needs .*pip install 'kvision\[envpool\]'"):
        maker()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"id": "CartPol-v1"}, r'data\.id: EnvPool has no environment CartPol-v1; .*did you mean "CartPole-v1"\?'),
        ({"kwargs": {"wind": 3}}, r"data\.kwargs: EnvPool's CartPole-v1 does not take all of \{'wind': 3\}"),
        ({"frame_stack": 2}, r"data\.frame_stack: got 2, but EnvPool shows CartPole-v1 as it is"),
    ],
)
def test_what_envpool_has_not_is_told(options, said):
    pytest.importorskip("envpool", reason="EnvPool is an extra, and not installed here")
    with pytest.raises(DataError, match=said):
        maker(**options)


def test_episodes_of_evaluation_are_functions_of_their_seeds_and_move_as_gymnasium_s_do():
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("envpool", reason="EnvPool is an extra, and not installed here")
    made = maker()
    assert (made.spaces, made.threshold) == (Spaces((4,), "float32", None, (2,)), 475.0)
    played, other = made.make(2), made.make(2)
    before = played.begin(np.array([5, 9]))
    played.act(np.array([1, 0], np.int32))
    np.testing.assert_array_equal(played.begin(np.array([5, 9])), before)
    np.testing.assert_array_equal(other.begin(np.array([9, 5])), before[::-1])
    single = gymnasium.make("CartPole-v1").unwrapped
    single.reset(seed=0)
    single.state = before[0].astype(np.float64)
    for action in np.random.default_rng(0).integers(0, 2, 60):
        observation, reward, terminated, truncated, final = played.act(np.array([action, 1], np.int32))
        seen, worth, over, _, _ = single.step(int(action))
        np.testing.assert_allclose(final[0], seen, rtol=1e-4, atol=1e-5)
        assert (reward[0], terminated[0], truncated[0]) == (worth, over, False)
        if over:
            break
    assert over
    assert not np.array_equal(observation[0], final[0])
    drawn = made.make(1, render=True)
    drawn.begin(np.array([5]))
    assert made.picture(drawn, {}, 0).shape[-1] == 3
