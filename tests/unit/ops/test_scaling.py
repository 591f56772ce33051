"""The formulas of docs/scaling.md on numbers worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from kvision.ops import scaling
from kvision.ops.scaling import Cluster

SLOW = Cluster(per_node=4, inner_bandwidth=1000.0, link_bandwidth=100.0, inner_latency_s=0.001, link_latency_s=0.01, jitter=0.0)


def test_a_ring_of_four_sends_six_quarters() -> None:
    assert scaling.ring(4, 400.0, 100.0, 0.5) == pytest.approx(6 * (0.5 + 1.0))
    assert scaling.ring(1, 400.0, 100.0, 0.5) == 0.0
    assert scaling.ring(1000, 400.0, 100.0, 0.0) == pytest.approx(8.0, rel=2e-3)  # twice the bytes over the bandwidth, however many there are


def test_two_nodes_of_four() -> None:
    """Within: 6 messages of 25 bytes; between: 2 of 50, for the four rings of 25 bytes each share one link."""
    assert scaling.all_reduce(8, 100.0, SLOW) == pytest.approx(6 * (0.001 + 0.025) + 2 * (0.01 + 0.5))
    assert scaling.all_reduce(2, 100.0, SLOW) == pytest.approx(2 * (0.001 + 0.05))


def test_the_slowest_of_many_against_random_numbers() -> None:
    for num in (2, 16, 1024):
        drawn = np.random.default_rng(0).normal(1.0, 0.1, [4_000_000 // num, num]).max(axis=1).mean()
        assert scaling.slowest(num, 0.1) == pytest.approx(drawn, rel=3e-3)
    assert scaling.slowest(1, 0.1) == 1.0


def test_a_step_waits_for_what_does_not_hide_behind_the_backward_pass() -> None:
    reduce_s = scaling.all_reduce(8, 100.0, SLOW)  # 1.176 s
    assert scaling.step(8, 3.0, 100.0, SLOW) == pytest.approx(3.0 + reduce_s)
    half = Cluster(**{**vars(SLOW), "overlap": 0.5})
    assert scaling.step(8, 3.0, 100.0, half) == pytest.approx(3.0 + reduce_s - 1.0)
    assert scaling.step(8, 30.0, 100.0, half) == 30.0
    assert scaling.efficiency(8, 3.0, 100.0, SLOW) == pytest.approx(3.0 / (3.0 + reduce_s))
    assert scaling.efficiency(1, 3.0, 100.0, SLOW) == 1.0


def test_each_synchronised_batch_norm_sums_twice_and_hides_behind_nothing() -> None:
    """Two accelerators of a node, 16 bytes a channel: messages of 8 bytes and 24."""
    sums_s = 2 * 2 * (0.001 + 0.008) + 2 * 2 * (0.001 + 0.024)
    assert scaling.normalisation(2, [1, 3], SLOW) == pytest.approx(sums_s)
    assert scaling.normalisation(1, [1, 3], SLOW) == 0.0
    hiding = Cluster(**{**vars(SLOW), "overlap": 1.0})
    assert scaling.step(2, 30.0, 100.0, hiding, [1, 3]) == pytest.approx(30.0 + sums_s)
    assert scaling.efficiency(2, 30.0, 100.0, hiding, [1, 3]) == pytest.approx(30.0 / (30.0 + sums_s))


def test_checkpoints_by_hand() -> None:
    assert scaling.young(2.0, 100.0) == 20.0
    # ratio 2 / 200 = 0.01: 20 (1 + 0.1 / 3 + 0.01 / 9) - 2
    assert scaling.daly(2.0, 100.0) == pytest.approx(20 * (1 + 0.1 / 3 + 0.01 / 9) - 2)
    assert scaling.daly(200.0, 100.0) == 100.0


@pytest.mark.parametrize("write_s", [0.1, 2.0, 20.0])
def test_nothing_beats_daly_s_interval_by_half_a_per_cent(write_s: float) -> None:
    reached = scaling.goodput(scaling.daly(write_s, 100.0), write_s, 5.0, 100.0)
    best = max(scaling.goodput(float(interval), write_s, 5.0, 100.0) for interval in np.geomspace(0.1, 1000, 2000))
    assert reached > 0.995 * best
    assert scaling.goodput(1e6, 1.0, 5.0, 100.0) == 0.0


def test_goodput_by_hand() -> None:
    """M = 100, work of 18 s and 2 s of writing: 18 / (100 e^0.05 (e^0.2 - 1))."""
    assert scaling.goodput(18.0, 2.0, 5.0, 100.0) == pytest.approx(18 / (100 * math.exp(0.05) * (math.exp(0.2) - 1)))


def test_a_batch_of_two_from_two_files_comes_from_one_and_a_half() -> None:
    assert scaling.origins(2, 2) == pytest.approx(1.5)
    assert scaling.origins(7, 1) == 1.0
    assert scaling.origins(256, 1e9) == pytest.approx(256, rel=1e-6)
