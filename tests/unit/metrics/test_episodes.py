"""Returns are summed up as SciPy does it, and as one does it by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from kvision.metrics import episodes

RETURNS = np.random.default_rng(1).exponential(100.0, 30)


def test_the_interquartile_mean_by_hand_and_by_scipy() -> None:
    assert episodes.interquartile_mean(np.array([1000.0, 3.0, 1.0, 2.0, -9.0, 4.0, 0.0, 5.0])) == (1 + 2 + 3 + 4) / 4
    assert episodes.interquartile_mean(np.array([2, 4, 9])) == 5  # of three, a quarter is none
    for count in (1, 4, 5, 30):
        assert episodes.interquartile_mean(RETURNS[:count]) == pytest.approx(scipy.stats.trim_mean(RETURNS[:count], 0.25), rel=1e-12)
    np.testing.assert_allclose(episodes.interquartile_mean(RETURNS.reshape(3, 10)), scipy.stats.trim_mean(RETURNS.reshape(3, 10), 0.25, axis=1))


def _trimmed(values: np.ndarray, axis: int) -> np.ndarray:
    return scipy.stats.trim_mean(values, 0.25, axis=axis)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(episodes.mean, np.mean), (episodes.median, np.median), (episodes.interquartile_mean, _trimmed)],
    ids=("mean", "median", "iqm"),
)
def test_intervals_are_the_percentile_bootstrap_s(ours: episodes.Statistic, theirs: episodes.Statistic) -> None:
    same = scipy.stats.bootstrap(
        (RETURNS,), theirs, n_resamples=episodes.RESAMPLES, confidence_level=0.9, method="percentile", rng=np.random.default_rng(7)
    ).confidence_interval
    assert episodes.interval(RETURNS, ours, confidence=0.9, seed=7) == pytest.approx((same.low, same.high), rel=1e-12)


def test_many_values_are_resampled_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = episodes.interval(RETURNS, episodes.mean)
    monkeypatch.setattr(episodes, "_AT_ONCE", 7 * len(RETURNS))
    assert episodes.interval(RETURNS, episodes.mean) == at_once


def test_an_interval_is_as_wide_as_the_error_of_the_mean() -> None:
    low, high = episodes.interval(RETURNS, episodes.mean)
    error = RETURNS.std() / np.sqrt(len(RETURNS))
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert episodes.interval(np.array([4.0]), episodes.median) == (4.0, 4.0)


def test_a_summary_names_what_it_says() -> None:
    found = episodes.summary(np.array([1.0, 2.0, 3.0, 10.0]))
    assert {name: found[name] for name in ("return", "return_median", "return_iqm", "return_min", "return_max")} == {
        "return": 4.0, "return_median": 2.5, "return_iqm": 2.5, "return_min": 1.0, "return_max": 10.0,
    }  # fmt: skip
    assert found["return_iqm_low"] <= 2.5 <= found["return_iqm_high"]
    assert set(found) == {f"return{kind}{end}" for kind in ("", "_median", "_iqm") for end in ("", "_low", "_high")} | {"return_min", "return_max"}
    assert episodes.summary(RETURNS, "length")["length_max"] == RETURNS.max()


def test_intervals_stand_behind_their_values() -> None:
    found = {"return": 4.0, "return_low": 3.0, "return_high": 5.25, "length": 2.0, "length_low": 1.0, "none": None}
    assert episodes.texts(found) == {"return": "4.0000 (3.0000 to 5.2500)", "length": "2.0000", "length_low": "1.0000"}
