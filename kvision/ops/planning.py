"""Dynamic programming on finite Markov decision processes: backups, greedy policies, and their exact values and returns, without sampling.

A process is told by two tables, `Dynamics.expected` and `Dynamics.continuing`: the expected reward r(s, a) `[S, A]`, and the probability
c(s, a, s') `[S, A, S]` that the episode goes on in s'. What ends it leaves c, so the rows of c add up to less than 1 there and the value after
the end is 0 without being asked for. A policy is the probability of each action in each state, `[S, A]`. All floats have one type; float64 is exact
to about 1e-12.

References are to Sutton and Barto 2018, Reinforcement Learning: An Introduction, second edition.
"""

from __future__ import annotations

import tensorflow as tf

UNLIKELY = 1e-12
"""Probability that an episode still goes on, below which it counts as over."""


def backup(values: tf.Tensor, expected: tf.Tensor, continuing: tf.Tensor, gamma: float) -> tf.Tensor:
    """What each action is worth if states are worth `values`: q(s, a) = r(s, a) + gamma sum over s' of c(s, a, s') v(s').

    Args:
        values: Of states, `[S]`.
        expected: `[S, A]`.
        continuing: `[S, A, S]`.
        gamma: Discount, 0 to 1.

    Returns:
        `[S, A]`.

    References:
        Eq. 4.6; with `values = max over a of q(s, a)` it is the sweep of value iteration, eq. 4.10.
    """
    return expected + gamma * tf.linalg.matvec(continuing, values)


def greedy(q_values: tf.Tensor, epsilon: tf.Tensor | float = 0.0) -> tf.Tensor:
    """The policy that takes the best action, of equal ones the first, but with probability epsilon any action.

    Args:
        q_values: `[..., A]`.
        epsilon: 0 to 1.

    Returns:
        Probabilities `[..., A]`, in the type of `q_values`.
    """
    actions, epsilon = q_values.shape[-1], tf.cast(epsilon, q_values.dtype)
    return epsilon / actions + (1.0 - epsilon) * tf.one_hot(tf.argmax(q_values, -1), actions, dtype=q_values.dtype)


def evaluate(policy: tf.Tensor, expected: tf.Tensor, continuing: tf.Tensor, gamma: float) -> tf.Tensor:
    """The value of each state under a policy, by solving Bellman's linear equations.

    Args:
        policy: `[S, A]`.
        expected: `[S, A]`.
        continuing: `[S, A, S]`.
        gamma: Discount, 0 to below 1; 1 where the policy surely comes to an end from every state.

    Returns:
        `[S]`.

    References:
        Eq. 4.4, as (I - gamma C) v = r.
    """
    rewards, onward = _under(policy, expected, continuing)
    return tf.linalg.solve(tf.eye(tf.shape(rewards)[0], dtype=rewards.dtype) - gamma * onward, rewards[:, None])[:, 0]


def expected_return(policy: tf.Tensor, start: tf.Tensor, expected: tf.Tensor, continuing: tf.Tensor, steps: int) -> tf.Tensor:
    """The mean return of episodes that are cut off after a number of steps, not discounted.

    The probability of being in each state is carried forward step by step. Where only reaching the goal is rewarded, with 1, it is the probability of
    success.

    Args:
        policy: `[S, A]`.
        start: Probability that an episode begins there, `[S]`.
        expected: `[S, A]`.
        continuing: `[S, A, S]`.
        steps: After which episodes are cut off.

    Returns:
        Scalar.
    """
    rewards, onward = _under(policy, expected, continuing)

    def step(count: tf.Tensor, there: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return count + 1, tf.linalg.matvec(onward, there, transpose_a=True), total + tf.tensordot(there, rewards, 1)

    def going(count: tf.Tensor, there: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        return (count < steps) & (tf.reduce_sum(there) > UNLIKELY)

    return tf.while_loop(going, step, (0, start, tf.zeros((), start.dtype)))[2]


def best_return(start: tf.Tensor, expected: tf.Tensor, continuing: tf.Tensor, steps: int) -> tf.Tensor:
    """The highest mean return that any policy has in episodes that are cut off after a number of steps, also one that counts the steps.

    Args:
        start: Probability that an episode begins there, `[S]`.
        expected: `[S, A]`.
        continuing: `[S, A, S]`.
        steps: After which episodes are cut off.

    Returns:
        Scalar; no policy that goes by the state alone need reach it.

    References:
        Bellman 1957, Dynamic Programming: backward induction.
    """

    def step(count: tf.Tensor, values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return count + 1, tf.reduce_max(backup(values, expected, continuing, 1.0), 1)

    return tf.tensordot(start, tf.while_loop(lambda count, _: count < steps, step, (0, tf.zeros_like(start)))[1], 1)


def _under(policy: tf.Tensor, expected: tf.Tensor, continuing: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Expected reward `[S]`, and the probability `[S, S]` that the episode goes on from a state in another one, under a policy."""
    return tf.einsum("sa,sa->s", policy, expected), tf.einsum("sa,sat->st", policy, continuing)
