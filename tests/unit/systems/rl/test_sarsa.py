import numpy as np
import pytest
import tensorflow as tf

from kvision.engine.loop import Loop
from tests.unit.systems.rl import tables


@pytest.fixture
def system(tmp_path):
    return tables.opened(tmp_path, "sarsa").system


def rollout(**values):
    """One lane."""
    return {name: tf.constant([value], dtype) for name, (value, dtype) in values.items()}


def test_a_step_is_learnt_when_its_next_action_is_known(tmp_path):
    session = tables.opened(tmp_path, "sarsa", *tables.GREEDY)
    system, loop = session.system, Loop(session)
    tables.write(system, s0=[0, 0, 1.0, 0], s1=[0.2, 0, 0.6, 0], s2=[100.0] * 4)
    loop.train(1)
    np.testing.assert_array_equal(tables.read(system)[:2], np.float32([[0, 0, 1.0, 0], [0.2, 0, 0.6, 0]]))
    loop.train(2)  # the first step's: -0.1 + 0.5 * 0.6
    np.testing.assert_allclose(tables.read(system)[:2], [[0, 0, 0.6, 0], [0.2, 0, 0.6, 0]], rtol=1e-6)
    loop.train(3)  # the second's: 0.9, for the next action is of another episode
    np.testing.assert_allclose(tables.read(system)[:2], [[0, 0, 0.6, 0], [0.2, 0, 0.75, 0]], rtol=1e-6)


def test_it_is_the_action_taken_that_counts_and_the_mean_where_time_is_up(system):
    tables.write(system, s0=[0.0, 0.0, 1.0, 0.0], s1=[0.2, 0.4, 0.6, 0.0])
    played = rollout(
        observation=([0, 1, 0], tf.int32),
        action=([tables.RIGHT, tables.DOWN, tables.LEFT], tf.int32),
        reward=([1.0, 2.0, 3.0], tf.float32),
        discount=([0.5, 0.5, 0.5], tf.float32),
        truncated=([False, True, False], tf.bool),
        final_observation=([1, 1, 0], tf.int32),
    )
    met, q_t = system._with_next(played, tf.constant(0.4), tf.constant(True))
    np.testing.assert_array_equal(met["weight"], [[0, 1, 1]])
    np.testing.assert_array_equal(met["reward"], [[0, 1, 2]])
    np.testing.assert_allclose(q_t[0, 1:], [0.4, 0.6 * 0.6 + 0.1 * 1.2], rtol=1e-6)
    met, q_t = system._with_next(played, tf.constant(0.4), tf.constant(False))
    np.testing.assert_array_equal(met["weight"], [[1, 1, 1]])
    np.testing.assert_array_equal(met["reward"], [[3, 1, 2]])  # the last step of the rollout before
    np.testing.assert_allclose(q_t[0, 0], 1.0)


def test_the_expected_one_learns_from_the_mean_at_once(tmp_path):
    session = tables.opened(tmp_path, "sarsa", "model.expected=true", "model.exploration.start=1.0", "model.exploration.end=1.0", "model.gamma=1.0")
    system = session.system
    tables.write(system, s0=[0.4] * 4, s1=[0.4] * 4)
    Loop(session).train(1)  # wherever it goes, the mean there is 0.4, and the reward -0.1
    moved = tables.read(system)[0]
    assert sorted(moved.round(6).tolist()) == pytest.approx([0.35, 0.4, 0.4, 0.4])
