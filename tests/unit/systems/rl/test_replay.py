"""The replay buffer, against returns worked out by hand and a list of what was played."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.data.environments.spaces import Spaces
from kvision.systems.rl._prioritised import Priorities
from kvision.systems.rl._replay import Replay, window

SPACES = Spaces((2,), "float32", actions=(3,))


def of_steps(r_t: list[float], terminated: list[int], truncated: list[int], behind: int) -> tuple[float, float, int]:
    rows = (tf.constant([r_t]), tf.constant([terminated]) > 0, tf.constant([truncated]) > 0)
    found = window(*rows, tf.constant([behind]), gamma=0.5)
    return float(found.reward[0]), float(found.discount[0]), int(found.steps[0])


def test_three_steps_of_one_episode() -> None:
    assert of_steps([1.0, 2.0, 4.0], [0, 0, 0], [0, 0, 0], behind=9) == (3.0, 0.125, 3)


def test_after_the_end_of_an_episode_neither_rewards_nor_values_count() -> None:
    assert of_steps([1.0, 2.0, 4.0], [0, 1, 0], [0, 0, 0], behind=9) == (2.0, 0.0, 2)
    assert of_steps([1.0, 2.0, 4.0], [0, 0, 1], [0, 0, 0], behind=9) == (3.0, 0.0, 3)


def test_an_episode_that_was_cut_off_counts_on_the_value_of_its_last_state() -> None:
    assert of_steps([1.0, 2.0, 4.0], [0, 0, 1], [1, 0, 0], behind=9) == (1.0, 0.5, 1)
    assert of_steps([1.0, 2.0, 4.0], [0, 0, 0], [0, 0, 1], behind=9) == (3.0, 0.125, 3)


def test_at_the_newest_end_fewer_steps_are_joined() -> None:
    assert of_steps([1.0, 2.0, 4.0], [0, 0, 0], [0, 0, 0], behind=1) == (2.0, 0.25, 2)
    assert of_steps([1.0, 2.0, 4.0], [0, 0, 1], [0, 0, 0], behind=0) == (1.0, 0.5, 1)


def played(first: int, length: int, lanes: int, ends: dict[tuple[int, int], str]) -> dict[str, tf.Tensor]:
    """Rows `first` ... of lanes whose observations and rewards tell row and lane; what a row leads to is half a row on."""
    row, lane = np.meshgrid(np.arange(first, first + length), np.arange(lanes), indexing="ij")
    observation = np.stack([row, lane], axis=-1).astype(np.float32)
    reached = observation + np.float32([0.5, 0])
    return {
        "observation": tf.constant(observation),
        "final_observation": tf.constant(reached),
        "reward": tf.constant(10.0 * row + lane, tf.float32),
        "action": tf.constant((row + lane) % 3, tf.int32),
        **{kind: tf.constant([[ends.get((r, n)) == kind for n in range(lanes)] for r in row[:, 0]]) for kind in ("terminated", "truncated")},
    }


def test_transitions_come_back_as_they_were_played_also_across_the_rings_seam() -> None:
    replay = Replay(SPACES, 2, 11, n_step=2, gamma=0.5)  # five rows of two lanes
    ends = {(4, 0): "terminated", (5, 1): "truncated"}
    for first in (0, 3):
        replay.add(played(first, 3, 2, ends))
        assert int(replay.size) == min(first + 3, 5) * 2
    # Row 5 was written over row 0: rows 1 to 5 are there, row r in place r % 5.
    read = replay.read(tf.constant([row % 5 * 2 + lane for row in range(1, 6) for lane in range(2)]))
    np.testing.assert_array_equal(read["s_tm1"], [[row, lane] for row in range(1, 6) for lane in range(2)])
    np.testing.assert_array_equal(read["a_tm1"], [(row + lane) % 3 for row in range(1, 6) for lane in range(2)])
    np.testing.assert_array_equal(read["r_t"], [10 + 10, 11 + 10.5, 20 + 15, 21 + 15.5, 30 + 20, 31 + 20.5, 40, 41 + 25.5, 50, 51])
    np.testing.assert_array_equal(read["discount_t"], [0.25, 0.25, 0.25, 0.25, 0, 0.25, 0, 0.25, 0.5, 0.5])
    reached = [2, 2, 3, 3, 4, 4, 4, 5, 5, 5]
    np.testing.assert_array_equal(read["s_t"], [[row + 0.5, lane] for row, lane in zip(reached, [0, 1] * 5, strict=True)])


def test_draws_are_of_what_is_there_and_a_function_of_the_seed() -> None:
    replay = Replay(SPACES, 2, 100, n_step=1, gamma=0.9)
    replay.add(played(0, 4, 2, {}))
    first, again, other = (replay.draw(3, 50, tf.constant([1, seed]))["place"].numpy() for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (3, 50)
    assert set(first.ravel()) == set(range(8))
    assert (first != other).any()


@pytest.mark.parametrize("prioritised", [False, True])
def test_what_is_drawn_belongs_together(prioritised: bool) -> None:
    replay = Replay(SPACES, 2, 100, n_step=1, gamma=0.9, priorities=Priorities(100, 0.6) if prioritised else None)
    replay.add(played(0, 4, 2, {}))
    drawn = {name: value.numpy() for name, value in replay.draw(2, 6, tf.constant([0, 0])).items()}
    assert drawn["s_tm1"].shape == (2, 6, 2)
    np.testing.assert_array_equal(drawn["r_t"], 10 * drawn["s_tm1"][..., 0] + drawn["s_tm1"][..., 1])
    np.testing.assert_array_equal(drawn["place"], 2 * drawn["s_tm1"][..., 0] + drawn["s_tm1"][..., 1])
    np.testing.assert_array_equal(drawn["weight"], np.ones([2, 6]))


def test_what_the_network_was_wrong_about_comes_oftener_and_weighs_less() -> None:
    replay = Replay(SPACES, 1, 8, n_step=1, gamma=0.9, priorities=Priorities(8, 1.0))
    replay.add(played(0, 8, 1, {}))
    replay.learnt(tf.range(8)[None], tf.constant([[1.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0, 1.0]]))
    drawn = replay.draw(1, 16, tf.constant([0, 0]), beta=1.0)
    counts = np.bincount(drawn["place"][0], minlength=8)
    assert counts[3] == 9
    np.testing.assert_allclose(drawn["weight"][0], np.where(drawn["place"][0] == 3, 1 / 9, 1.0), rtol=1e-5)


def test_pictures_stay_bytes() -> None:
    replay = Replay(Spaces((4, 4, 1), "uint8", low=(-1.0,), high=(1.0,)), 1, 8, n_step=1, gamma=0.9)
    assert replay.variables["observation"].dtype == replay.variables["final_observation"].dtype == tf.uint8
    assert replay.variables["action"].shape == [8, 1]
