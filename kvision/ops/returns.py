"""Returns of trajectories: discounted sums, n-step and lambda-returns, generalised advantages, V-trace.

All arguments are time-major `[T, ...]`, float32 unless a line says otherwise, and begin with the same step. One step leads from the state `s_tm1`
with the action `a_tm1` to the reward `r_t`, the discount `discount_t` and the state `s_t`, so row i of `v_tm1` is the value of the state in which
step i began, and row i of `v_t` the value of the state that step i itself led to: at an episode's end the last state of that episode, not the first
one of the next. `discount_t` is gamma, and 0 where the episode terminated, for nothing comes after. `ends` says where the next row belongs to
another episode, be it terminated or truncated: there nothing is taken from later rows, but an episode that was cut off still counts on the value
of its last state. Without `ends` the rows are those of one episode.

The functions are differentiable; who wants targets stops the gradient.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf


class VTrace(NamedTuple):
    """What V-trace makes of a trajectory, `[T, ...]` each.

    Attributes:
        v_tm1: Targets of the values `v_tm1`.
        advantages: What the log-probabilities of the actions are weighted by.
    """

    v_tm1: tf.Tensor
    advantages: tf.Tensor


def discounted(r_t: tf.Tensor, discount_t: tf.Tensor, bootstrap: tf.Tensor) -> tf.Tensor:
    """Sums of the rewards to come, each discounted by all discounts before it: `G_tm1 = r_t + discount_t G_t`.

    Args:
        r_t: Rewards `[T, ...]`.
        discount_t: Discounts `[T, ...]`.
        bootstrap: `[...]`, the return after the last row.

    Returns:
        `[T, ...]`.

    References:
        Sutton and Barto 2018, eq. 3.9.
    """
    return _backwards(tf.concat([r_t[:-1], r_t[-1:] + discount_t[-1:] * bootstrap], axis=0), discount_t)


def n_step(r_t: tf.Tensor, discount_t: tf.Tensor, v_t: tf.Tensor, n: int, ends: tf.Tensor | None = None) -> tf.Tensor:
    """Sums of n rewards and the value of the state after them; of fewer where the episode or the trajectory is over before.

    Args:
        r_t: Rewards `[T, ...]`.
        discount_t: Discounts `[T, ...]`.
        v_t: Values of the states that the steps led to `[T, ...]`.
        n: Rewards of a sum, at least 1.
        ends: bool `[T, ...]`, where an episode is over; none: nowhere.

    Returns:
        `[T, ...]`.

    References:
        Sutton and Barto 2018, eq. 7.1.
    """
    going = _going(ends, r_t)
    returns = r_t + discount_t * v_t
    for _ in range(min(n, r_t.shape[0]) - 1):
        later = tf.concat([returns[1:], v_t[-1:]], axis=0)  # the last row counts nowhere: it is never going on
        returns = r_t + discount_t * (v_t + going * (later - v_t))
    return returns


def lambda_returns(r_t: tf.Tensor, discount_t: tf.Tensor, v_t: tf.Tensor, lambda_: float | tf.Tensor, ends: tf.Tensor | None = None) -> tf.Tensor:
    """n-step returns of all n, weighted by powers of lambda: 0: one step; 1: all rewards that there are.

    Args:
        r_t: Rewards `[T, ...]`.
        discount_t: Discounts `[T, ...]`.
        v_t: Values of the states that the steps led to `[T, ...]`.
        lambda_: In [0, 1]; one number, or `[T, ...]`.
        ends: bool `[T, ...]`, where an episode is over; none: nowhere.

    Returns:
        `[T, ...]`.

    References:
        Sutton and Barto 2018, eq. 12.18.
    """
    mixed = lambda_ * _going(ends, r_t)
    return _backwards(r_t + discount_t * (1.0 - mixed) * v_t, discount_t * mixed)


def gae(
    r_t: tf.Tensor, discount_t: tf.Tensor, v_tm1: tf.Tensor, v_t: tf.Tensor, lambda_: float | tf.Tensor, ends: tf.Tensor | None = None
) -> tf.Tensor:
    """Generalised advantages: sums of the errors of the values, `A_tm1 = r_t + discount_t v_t - v_tm1 + discount_t lambda A_t`.

    Args:
        r_t: Rewards `[T, ...]`.
        discount_t: Discounts `[T, ...]`.
        v_tm1: Values of the states in which the steps began `[T, ...]`.
        v_t: Values of the states that the steps led to `[T, ...]`.
        lambda_: In [0, 1]; one number, or `[T, ...]`.
        ends: bool `[T, ...]`, where an episode is over; none: nowhere.

    Returns:
        `[T, ...]`; with `v_tm1` added, targets of the values.

    References:
        Schulman et al. 2016, arXiv 1506.02438, eq. 16.
    """
    return _backwards(r_t + discount_t * v_t - v_tm1, discount_t * lambda_ * _going(ends, r_t))


def vtrace(
    r_t: tf.Tensor,
    discount_t: tf.Tensor,
    v_tm1: tf.Tensor,
    v_t: tf.Tensor,
    rho_tm1: tf.Tensor,
    ends: tf.Tensor | None = None,
    *,
    lambda_: float = 1.0,
    most_rho: float = 1.0,
    most_c: float = 1.0,
) -> VTrace:
    """Targets for one policy, of trajectories that another one played.

    Args:
        r_t: Rewards `[T, ...]`.
        discount_t: Discounts `[T, ...]`.
        v_tm1: Values of the states in which the steps began `[T, ...]`.
        v_t: Values of the states that the steps led to `[T, ...]`.
        rho_tm1: How much more probable the action is to the policy than to the one that played, a ratio `[T, ...]`.
        ends: bool `[T, ...]`, where an episode is over; none: nowhere.
        lambda_: The ratios c are multiplied by it.
        most_rho: Ratios above are clipped where they weight an error; it decides which policy the values belong to.
        most_c: Likewise where they carry errors back in time; it decides how fast that goes.

    Returns:
        Targets and advantages; where all ratios are 1, those of lambda-returns.

    References:
        Espeholt et al. 2018, arXiv 1802.01561, eq. 1, and the policy gradient of section 4.2; lambda: its remark 2.
    """
    going = _going(ends, r_t)
    rho = tf.minimum(rho_tm1, most_rho)
    c = lambda_ * tf.minimum(rho_tm1, most_c)
    targets = v_tm1 + _backwards(rho * (r_t + discount_t * v_t - v_tm1), discount_t * c * going)
    # Past an end, and past the last row, there is no target: the value stands for it.
    target_t = v_t + going * (tf.concat([targets[1:], v_t[-1:]], axis=0) - v_t)
    return VTrace(targets, rho * (r_t + discount_t * target_t - v_tm1))


def _going(ends: tf.Tensor | None, like: tf.Tensor) -> tf.Tensor:
    """1 where the next row goes on with the same episode, else 0; there is none after the last. `[T, ...]`."""
    going = tf.ones_like(like) if ends is None else 1.0 - tf.cast(ends, like.dtype)
    return tf.concat([going[:-1], tf.zeros_like(going[-1:])], axis=0)


def _backwards(x: tf.Tensor, k: tf.Tensor) -> tf.Tensor:
    """`y_i = x_i + k_i y_(i+1)` for all rows at once, with `y_T = 0`.

    By doubling: after a round each row has taken in twice as many of those behind it, so T rows take log2 T rounds of a few operations, which costs
    less than T turns of a loop.
    """
    rows, reach = x.shape[0], 1
    while reach < rows:
        x = tf.concat([x[:-reach] + k[: rows - reach] * x[reach:], x[-reach:]], axis=0)
        k = k[:-reach] * k[reach:]
        reach *= 2
    return x
