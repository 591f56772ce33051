"""Priorities, against shares counted by hand and by NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.systems.rl._prioritised import Priorities, importance


def filled(errors: list[float], alpha: float = 1.0, capacity: int = 5) -> Priorities:
    priorities = Priorities(capacity, alpha)
    priorities.change(tf.range(len(errors)), tf.constant(errors))
    return priorities


def test_each_equal_share_of_the_whole_gives_one_transition() -> None:
    # The whole is 8 (and five millionths); ten shares of 0.8, of which the middles are drawn: 0.4, 1.2, ... against sums 1, 3, 3, 7, 8.
    drawn = filled([1.0, -2.0, 0.0, 4.0, 1.0]).draw(tf.fill([1, 10], 0.5))
    assert drawn.place.numpy().tolist() == [[0, 1, 1, 1, 3, 3, 3, 3, 3, 4]]
    np.testing.assert_allclose(drawn.probability, np.array([[1, 2, 2, 2, 4, 4, 4, 4, 4, 1]]) / 8, rtol=1e-5)


@pytest.mark.parametrize("capacity", [1, 2, 1000])
def test_transitions_are_drawn_as_often_as_their_priorities_say(capacity: int) -> None:
    errors = np.random.default_rng(0).exponential(1.0, capacity).astype(np.float32)
    drawn = filled(errors.tolist(), 0.6, capacity).draw(tf.random.stateless_uniform([1, 20_000], [0, 0]))
    wanted = (errors + 1e-6) ** 0.6
    counts = np.bincount(drawn.place[0], minlength=capacity)
    assert len(counts) == capacity
    np.testing.assert_allclose(counts / 20_000, wanted / wanted.sum(), atol=1.1e-4)  # drawn by equal shares: within two draws


def test_what_was_never_put_in_is_never_drawn_whatever_rounding_does() -> None:
    priorities = filled([0.1, 0.2, 0.7], capacity=100)
    last = priorities.draw(tf.constant([[1.0 - 2**-24] * 7]))
    assert last.place.numpy().max() == 2
    assert (last.probability.numpy() > 0).all()


def test_new_transitions_have_the_highest_priority_that_there_was() -> None:
    priorities = filled([0.5, 9.0])
    priorities.change(tf.constant([1]), tf.constant([0.5]))
    priorities.add(tf.constant([2]))
    np.testing.assert_allclose(priorities.draw(tf.constant([[0.0, 0.99]])).probability, [[0.05, 0.9]], rtol=1e-4)


def test_of_a_transition_that_was_drawn_twice_the_last_error_counts() -> None:
    priorities = filled([1.0, 1.0])
    priorities.change(tf.constant([0, 0]), tf.constant([8.0, 3.0]))
    np.testing.assert_allclose(priorities.draw(tf.constant([[0.0]])).probability, [[0.75]], rtol=1e-5)


def test_weights_make_up_for_the_draw() -> None:
    probability = tf.constant([[0.5, 0.1, 0.4], [0.2, 0.2, 0.2]])
    np.testing.assert_allclose(importance(probability, tf.constant(10), tf.constant(1.0))[0], [0.2, 1.0, 0.25], rtol=1e-6)
    np.testing.assert_allclose(importance(probability, tf.constant(10), tf.constant(0.5))[0], [0.2**0.5, 1.0, 0.5], rtol=1e-6)
    np.testing.assert_allclose(importance(probability, tf.constant(10), tf.constant(0.0))[0], [1.0, 1.0, 1.0])
    np.testing.assert_allclose(importance(probability, tf.constant(10), tf.constant(1.0))[1], [1.0, 1.0, 1.0])
