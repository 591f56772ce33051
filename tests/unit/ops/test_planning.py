"""Dynamic programming by hand, against linear algebra and slow loops, and the published figures of the toy environments."""

from functools import cache

import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from kvision.data.environments import dynamics
from kvision.ops import planning

# Two states. In 0: action 0 earns 1 and stays with 0.8, else it ends; action 1 earns 0 and leads to 1. In 1: either action earns 3 and ends with 0.5,
# else leads to 0.
EXPECTED = tf.constant([[1.0, 0.0], [3.0, 3.0]], tf.float64)
CONTINUING = tf.constant([[[0.8, 0.0], [0.0, 1.0]], [[0.5, 0.0], [0.5, 0.0]]], tf.float64)
START = tf.constant([1.0, 0.0], tf.float64)
STAY, GO = (tf.constant([[1.0 - go, go], [1.0, 0.0]], tf.float64) for go in (0.0, 1.0))


def test_values_of_policies_by_hand():
    np.testing.assert_allclose(planning.evaluate(STAY, EXPECTED, CONTINUING, 0.5), [1 / 0.6, 3 + 0.25 / 0.6], rtol=1e-12)
    # Going: v0 = v1 / 2 and v1 = 3 + v0 / 4, so v0 = 1.5 + v0 / 8.
    np.testing.assert_allclose(planning.evaluate(GO, EXPECTED, CONTINUING, 0.5), [12 / 7, 24 / 7], rtol=1e-12)
    np.testing.assert_allclose(planning.evaluate(GO, EXPECTED, CONTINUING, 1.0), [6.0, 6.0], rtol=1e-12)


def test_sweeps_settle_on_what_linear_algebra_says_of_their_policy():
    q_values = tf.zeros([2, 2], tf.float64)
    for _ in range(60):
        q_values = planning.backup(tf.reduce_max(q_values, 1), EXPECTED, CONTINUING, 0.5)
    policy = planning.greedy(q_values)
    np.testing.assert_array_equal(policy, GO)
    np.testing.assert_allclose(tf.reduce_max(q_values, 1), planning.evaluate(policy, EXPECTED, CONTINUING, 0.5), rtol=1e-12)


def test_of_equal_actions_the_first_is_taken_and_epsilon_is_shared_by_all():
    q_values = tf.constant([[1.0, 1.0, 0.0, 1.0], [0.0, 2.0, 2.0, 0.0]])
    np.testing.assert_array_equal(planning.greedy(q_values), [[1, 0, 0, 0], [0, 1, 0, 0]])
    np.testing.assert_allclose(planning.greedy(q_values, 0.2), [[0.85, 0.05, 0.05, 0.05], [0.05, 0.85, 0.05, 0.05]], rtol=1e-6)


@pytest.mark.parametrize(("steps", "stay", "go"), [(0, 0.0, 0.0), (1, 1.0, 0.0), (2, 1.8, 3.0), (3, 2.44, 3.0), (4, 2.952, 4.5)])
def test_returns_within_a_few_steps_by_hand(steps, stay, go):
    assert float(planning.expected_return(STAY, START, EXPECTED, CONTINUING, steps)) == pytest.approx(stay, rel=1e-12)
    assert float(planning.expected_return(GO, START, EXPECTED, CONTINUING, steps)) == pytest.approx(go, rel=1e-12)


@pytest.mark.parametrize(("steps", "best"), [(0, 0.0), (1, 1.0), (2, 3.0), (3, 3.5), (4, 4.5)])
def test_the_best_return_may_need_to_count_the_steps(steps, best):
    # With three steps: go, earn 3, and if it goes on stay for the last step: 3 + 0.5; neither policy above has it.
    assert float(planning.best_return(START, EXPECTED, CONTINUING, steps)) == pytest.approx(best, rel=1e-12)


def test_a_random_policy_s_return_is_that_of_a_slow_walk_over_all_ways():
    policy = np.array([[0.3, 0.7], [0.6, 0.4]])

    def walk(state, steps):
        if steps == 0:
            return 0.0
        return sum(
            policy[state, action]
            * (float(EXPECTED[state, action]) + sum(float(CONTINUING[state, action, after]) * walk(after, steps - 1) for after in (0, 1)))
            for action in (0, 1)
        )

    found = planning.expected_return(tf.constant(policy), tf.constant([0.4, 0.6], tf.float64), EXPECTED, CONTINUING, 5)
    assert float(found) == pytest.approx(0.4 * walk(0, 5) + 0.6 * walk(1, 5), rel=1e-12)


@cache
def model(name, **options):
    found = dynamics.from_gymnasium(gymnasium.make(name, **options))
    return found.max_steps, tuple(map(tf.constant, (found.start, found.expected, found.continuing)))


@tf.function
def planned(expected, continuing, gamma, sweeps):
    q_values = tf.zeros_like(expected)
    for _ in tf.range(sweeps):
        q_values = planning.backup(tf.reduce_max(q_values, 1), expected, continuing, gamma)
    return q_values


def played(gamma, sweeps, name, **options):
    steps, (start, expected, continuing) = model(name, **options)
    q_values = planned(expected, continuing, tf.constant(gamma, tf.float64), tf.constant(sweeps))
    return float(planning.expected_return(planning.greedy(q_values), start, expected, continuing, steps))


def best(name, **options):
    steps, of = model(name, **options)
    return float(planning.best_return(*of, steps))


def test_the_figures_of_the_toy_environments():
    assert played(0.99, 571, "FrozenLake-v1") == pytest.approx(0.7402, abs=5e-5)
    assert best("FrozenLake-v1") == pytest.approx(0.7442, abs=5e-5)
    assert played(1.0, 20, "CliffWalking-v1", max_episode_steps=100) == -13.0 == best("CliffWalking-v1", max_episode_steps=100)
    assert played(0.99, 30, "Taxi-v4") == pytest.approx(7.93)


def test_without_discount_the_8x8_lake_is_crossed_too_slowly():
    assert played(0.99, 662, "FrozenLake-v1", map_name="8x8") == pytest.approx(0.6317, abs=5e-5)
    assert best("FrozenLake-v1", map_name="8x8") == pytest.approx(0.6407, abs=5e-5)
    assert played(1.0, 1425, "FrozenLake-v1", map_name="8x8") == pytest.approx(0.5143, abs=5e-5)
