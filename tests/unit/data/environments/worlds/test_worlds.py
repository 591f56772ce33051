"""What holds for every world, whatever its rules are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from kvision.data.environments.world import World
from kvision.data.environments.worlds.catch import Catch
from kvision.data.environments.worlds.gather import Gather
from kvision.data.environments.worlds.grid import GridWorld
from kvision.data.environments.worlds.identity import Identity
from kvision.data.environments.worlds.maker import WorldMaker
from kvision.data.environments.worlds.recall import Recall
from tests.unit.data.environments.worlds import play

MAP = ("S..S", ".O..", "...G")
WORLDS: dict[str, Callable[[int], World]] = {
    "catch": lambda num: Catch(num, size=5, drops=3, gap=2),
    "gather": lambda num: Gather(num, size=6, coins=2, guards=2, max_steps=7),
    "grid": lambda num: GridWorld(num, rows=MAP, slip=0.3, goal_reward=1, pit_reward=-1, step_reward=0, max_steps=7, shows="state"),
    "grid pictures": lambda num: GridWorld(num, rows=MAP, slip=0.3, goal_reward=1, pit_reward=-1, step_reward=0, max_steps=7, shows="picture"),
    "identity": lambda num: Identity(num, kind="one_hot", choices=3, dims=1, max_steps=4),
    "identity of quantities": lambda num: Identity(num, kind="continuous", choices=3, dims=2, max_steps=4),
    "recall": lambda num: Recall(num, choices=3, delay=2),
}
STEPS = 30
SEEDS = np.array([4, 8, 400, 2_000_000_000], np.int64)
every_world = pytest.mark.parametrize("name", WORLDS, scope="module")


@pytest.fixture(scope="module")
def world(name: str) -> World:
    return WORLDS[name](4)


@every_world
def test_shapes_types_seeds_and_lanes(name: str, world: World) -> None:
    acts = play.actions(world, STEPS)
    first, parts, state = play.played(world, SEEDS, acts)
    observation, reward, terminated, truncated, final = parts
    spaces = world.spaces
    assert first.dtype == observation.dtype == final.dtype == spaces.observation_dtype
    assert first.shape == (4, *spaces.observation_shape)
    assert observation.shape == final.shape == (STEPS, 4, *spaces.observation_shape)
    assert [part.dtype for part in (reward, terminated, truncated)] == ["float32", "bool", "bool"]
    if spaces.num_states:
        assert 0 <= observation.min() <= observation.max() < spaces.num_states
    # The same seeds and actions: the same episodes.
    again = play.played(world, SEEDS, acts)
    for one, other in zip([first, *parts], [again[0], *again[1]], strict=True):
        np.testing.assert_array_equal(one, other)
    # A lane knows nothing of the others, or of how many there are.
    _, alone, alone_state = play.played(WORLDS[name](2), SEEDS[[2, 0]], acts[:, [2, 0]])
    for one, other in zip(parts, alone, strict=True):
        np.testing.assert_array_equal(one[:, [2, 0]], other)
    for name, values in alone_state.items():
        np.testing.assert_array_equal(values, state[name][[2, 0]])
    # Other seeds: other episodes.
    elsewhere = play.played(world, SEEDS + 4, acts)[1]
    assert any((one != other).any() for one, other in zip(parts, elsewhere, strict=True))


@every_world
def test_an_episode_ends_in_time_and_the_next_begins_in_the_same_step(world: World) -> None:
    _, (observation, _, terminated, truncated, final), _ = play.played(world, SEEDS, play.actions(world, STEPS))
    assert not (terminated & truncated).any()
    over = terminated | truncated
    same = (observation == final).reshape(STEPS, 4, -1).all(2)
    assert same[~over].all()
    assert over.any(0).all()
    for lane in range(4):
        ends = [-1, *np.flatnonzero(over[:, lane])]
        lengths = np.diff(ends)
        assert lengths.max() <= world.max_steps
        assert (lengths[truncated[ends[1:], lane]] == world.max_steps).all()
        seed = int(SEEDS[lane])
        for end in ends[1:]:
            seed = play.next_seed(seed)
            _, fresh = world.reset(tf.fill([4], tf.constant(seed, tf.int64)))
            np.testing.assert_array_equal(observation[end, lane], fresh[0])


@every_world
def test_a_lane_can_be_drawn(name: str, world: World) -> None:
    _, parts, state = play.played(world, SEEDS, play.actions(world, 3))
    maker = WorldMaker(name, WORLDS[name], threshold=2.0)
    pictures = [maker.picture(maker.make(4, render=True), state, lane) for lane in range(4)]
    assert (maker.spaces, maker.threshold, maker.name) == (world.spaces, 2.0, name)
    for lane, picture in enumerate(pictures):
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
        assert 256 <= max(picture.shape[:2]) <= 320
        if world.spaces.pictures:
            factor = picture.shape[0] // world.spaces.observation_shape[0]
            np.testing.assert_array_equal(picture[::factor, ::factor], parts[0][-1, lane])
    assert any((pictures[0] != picture).any() for picture in pictures[1:])
