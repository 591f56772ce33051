"""Returns by hand, and against loops over numbers that can't be wrong, with an end and a cut inside the trajectory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kvision.ops import returns

T, N, GAMMA = 11, 3, 0.9
GENERATOR = np.random.default_rng(0)
R_T, V_TM1, FINAL = (GENERATOR.normal(size=(T, N)).astype(np.float32) for _ in range(3))
RHO = GENERATOR.uniform(0.2, 2.0, (T, N)).astype(np.float32)
TERMINATED, TRUNCATED = np.zeros((T, N), bool), np.zeros((T, N), bool)
TERMINATED[4, 0] = TERMINATED[T - 1, 1] = True
TRUNCATED[3, 1] = TRUNCATED[7, 0] = TRUNCATED[6, 2] = True
ENDS = TERMINATED | TRUNCATED
DISCOUNT = (GAMMA * ~TERMINATED).astype(np.float32)
V_T = np.where(ENDS, FINAL, np.concatenate([V_TM1[1:], FINAL[-1:]])).astype(np.float32)
"""Within an episode the state that a step leads to is the one in which the next begins."""


def episodes() -> list[tuple[int, int, int]]:
    """Lane, first row and row after the last of every stretch of one episode."""
    bounds = [[-1, *np.flatnonzero(ENDS[:-1, lane]), T - 1] for lane in range(N)]
    return [(lane, first + 1, last + 1) for lane in range(N) for first, last in zip(bounds[lane], bounds[lane][1:], strict=False)]


def n_step_of(lane: int, row: int, last: int, n: int) -> float:
    """The sum of up to n rewards of an episode that has rows up to `last`, and the value after them."""
    total, discount = 0.0, 1.0
    for step in range(row, min(row + n, last)):
        total += discount * float(R_T[step, lane])
        discount *= float(DISCOUNT[step, lane])
    return total + discount * float(V_T[step, lane])


def lambda_return_of(lane: int, row: int, last: int, lambda_: float) -> float:
    """All n-step returns, weighted (Sutton and Barto 2018, eq. 12.9)."""
    longest = last - row
    mixed = sum((1 - lambda_) * lambda_ ** (n - 1) * n_step_of(lane, row, last, n) for n in range(1, longest))
    return mixed + lambda_ ** (longest - 1) * n_step_of(lane, row, last, longest)


def slow(of: Any, *arguments: Any) -> np.ndarray:
    table = np.full((T, N), np.nan)
    for lane, first, last in episodes():
        for row in range(first, last):
            table[row, lane] = of(lane, row, last, *arguments)
    return table


@pytest.mark.parametrize("xla", [False, True])
def test_all_agree_with_slow_loops(xla: bool) -> None:
    @tf.function(jit_compile=xla)
    def fast() -> dict[str, Any]:
        found: dict[str, Any] = {f"n_step {n}": returns.n_step(R_T, DISCOUNT, V_T, n, ENDS) for n in (1, 3, 50)}
        found |= {f"lambda {each}": returns.lambda_returns(R_T, DISCOUNT, V_T, each, ENDS) for each in (0.0, 0.7, 1.0)}
        found |= {f"gae {each}": returns.gae(R_T, DISCOUNT, V_TM1, V_T, each, ENDS) for each in (0.0, 0.7, 1.0)}
        return found

    found = {name: value.numpy() for name, value in fast().items()}
    for n in (1, 3, 50):
        np.testing.assert_allclose(found[f"n_step {n}"], slow(n_step_of, n), rtol=0, atol=2e-6)
    for each in (0.0, 0.7, 1.0):
        np.testing.assert_allclose(found[f"lambda {each}"], slow(lambda_return_of, each), rtol=0, atol=2e-6)
        np.testing.assert_allclose(found[f"gae {each}"], slow(lambda_return_of, each) - V_TM1, rtol=0, atol=2e-6)


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("clip", [(1.0, 1.0), (1.5, 0.8)])
def test_vtrace_is_the_sum_of_the_paper(clip: tuple[float, float], xla: bool) -> None:
    rho, c = np.minimum(RHO, clip[0]), np.minimum(RHO, clip[1])

    def target_of(lane: int, row: int, last: int) -> float:
        total, weight = float(V_TM1[row, lane]), 1.0
        for step in range(row, last):
            error = rho[step, lane] * (R_T[step, lane] + DISCOUNT[step, lane] * V_T[step, lane] - V_TM1[step, lane])
            total += weight * float(error)
            weight *= float(DISCOUNT[step, lane] * c[step, lane])
        return total

    def advantage_of(lane: int, row: int, last: int) -> float:
        next_target = target_of(lane, row + 1, last) if row + 1 < last else float(V_T[row, lane])
        return float(rho[row, lane] * (R_T[row, lane] + DISCOUNT[row, lane] * next_target - V_TM1[row, lane]))

    made = tf.function(returns.vtrace, jit_compile=xla)
    found = made(*map(tf.constant, (R_T, DISCOUNT, V_TM1, V_T, RHO, ENDS)), most_rho=clip[0], most_c=clip[1])
    np.testing.assert_allclose(found.v_tm1, slow(target_of), rtol=0, atol=2e-6)
    np.testing.assert_allclose(found.advantages, slow(advantage_of), rtol=0, atol=2e-6)


def test_vtrace_on_policy_is_the_lambda_return() -> None:
    found = returns.vtrace(R_T, DISCOUNT, V_TM1, V_T, np.ones_like(R_T), ENDS, lambda_=0.7)
    np.testing.assert_allclose(found.v_tm1, returns.lambda_returns(R_T, DISCOUNT, V_T, 0.7, ENDS), rtol=0, atol=2e-6)


def test_discounted_by_hand() -> None:
    # an episode that terminates after its second step with 0.5 ahead of it, and the beginning of the next one
    found = returns.discounted(tf.constant([1.0, 2.0, 4.0]), tf.constant([0.5, 0.0, 0.5]), tf.constant(10.0))
    assert found.numpy().tolist() == [2.0, 2.0, 9.0]


def test_gae_by_hand_through_an_end_and_a_cut() -> None:
    # row 0 goes on; row 1 is cut off: its last state is worth 6; row 2 terminates; row 3 goes on beyond the trajectory
    r_t, discount_t = tf.constant([1.0, 2.0, 3.0, 4.0]), tf.constant([0.5, 0.5, 0.0, 0.5])
    v_tm1, v_t = tf.constant([2.0, 4.0, 1.0, 2.0]), tf.constant([4.0, 6.0, 99.0, 8.0])
    found = returns.gae(r_t, discount_t, v_tm1, v_t, 0.5, tf.constant([False, True, True, False]))
    # errors: 1 + 2 - 2 = 1; 2 + 3 - 4 = 1; 3 - 1 = 2; 4 + 4 - 2 = 6
    assert found.numpy().tolist() == [1.25, 1.0, 2.0, 6.0]


def test_n_step_by_hand() -> None:
    found = returns.n_step(tf.constant([1.0, 2.0, 4.0, 8.0]), tf.constant([0.5] * 4), tf.constant([10.0, 20.0, 30.0, 40.0]), n=2)
    assert found.numpy().tolist() == [1 + 1 + 5, 2 + 2 + 7.5, 4 + 4 + 10, 8 + 20]


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 9])
def test_any_length_and_its_gradient(rows: int) -> None:
    r_t, discount = tf.constant(R_T[:rows]), tf.constant(DISCOUNT[:rows] * 0 + 0.5)
    with tf.GradientTape() as tape:
        tape.watch(r_t)
        found = returns.discounted(r_t, discount, tf.zeros(N))
    expected = [sum(0.5 ** (later - row) * R_T[later] for later in range(row, rows)) for row in range(rows)]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    # a reward counts in its own return and, halved each time, in all before it
    np.testing.assert_allclose(tape.gradient(found, r_t)[:, 0], [2 - 0.5**row for row in range(rows)], rtol=0, atol=1e-6)
