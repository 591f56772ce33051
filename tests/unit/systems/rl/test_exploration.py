import numpy as np
import pytest
import tensorflow as tf

from kvision import catalog
from kvision.systems.rl import _exploration
from kvision.systems.rl._exploration import ExplorationOptions


@pytest.mark.parametrize(("step", "share"), [(0, 1.0), (25, 0.55), (50, 0.1), (80, 0.1), (100, 0.1)])
def test_the_share_of_random_actions_falls_and_stays(step, share):
    found = _exploration.epsilon(tf.constant(step, tf.int64), ExplorationOptions(start=1.0, end=0.1, fraction=0.5), 100)
    assert float(found) == pytest.approx(share)
    assert float(_exploration.epsilon(tf.constant(step, tf.int64), ExplorationOptions(start=1.0, end=0.1, fraction=0.0), 100)) == pytest.approx(0.1)


def test_random_actions_are_any_and_others_the_first_of_the_best():
    q_values = tf.constant([[0.0, 3.0, 3.0]] * 4)
    uniform = tf.constant([[0.3, 0.9], [0.29, 0.1], [0.29, 0.5], [0.0, 0.9999999]])
    np.testing.assert_array_equal(_exploration.epsilon_greedy(q_values, tf.constant(0.3), uniform), [1, 0, 1, 2])


def test_the_run_s_steps_are_those_of_whole_batches():
    recipe = catalog.load("rl/q_learning", ["data.steps=100", "train.epochs=3"]).recipe
    assert _exploration.run_steps(recipe) == 3 * (100 // 16) * 16
    assert _exploration.run_steps(catalog.load("rl/q_learning", ["train.steps=7"]).recipe) == 7 * 16
