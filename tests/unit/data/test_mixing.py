"""Mixing two examples: shares that tell what is in the picture, and nothing where nothing is drawn."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from kvision.core.schema import AugmentOptions
from kvision.data import mixing

WHITE = {"image": tf.fill([20, 30, 3], tf.constant(255, tf.uint8)), "label": tf.constant(1)}
BLACK = {"image": tf.zeros([20, 30, 3], tf.uint8), "label": tf.constant(2)}


def mixed(seed: int, **options: float) -> dict[str, np.ndarray]:
    return {
        name: value.numpy() for name, value in mixing.mix(WHITE, lambda: BLACK, AugmentOptions(**options), tf.constant([seed, 0], tf.int64)).items()
    }


def test_mixup_blends_as_its_share_says() -> None:
    shares = []
    for seed in range(200):
        out = mixed(seed, mixup=1.0, mixup_alpha=0.4)
        np.testing.assert_allclose(out["image"], 255 * out["mix"], atol=1e-3)
        assert (out["label"], out["other_label"]) == (1, 2)
        shares.append(out["mix"])
    # Beta(a, a) has the mean 1/2 and the variance 1 / (4 (2a + 1)).
    assert np.mean(shares) == pytest.approx(0.5, abs=0.1)
    assert np.var(shares) == pytest.approx(1 / (4 * 1.8), rel=0.2)


def test_cutmix_pastes_one_box_and_counts_its_pixels() -> None:
    areas = []
    for seed in range(100):
        out = mixed(seed, cutmix=1.0)
        dark = out["image"][..., 0] == 0
        assert set(np.unique(out["image"])) <= {0.0, 255.0}
        assert out["mix"] == pytest.approx(1 - dark.mean(), abs=1e-6)
        rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
        assert dark.sum() == len(rows) * len(columns)
        areas.append(dark.mean())
    assert np.ptp(areas) > 0.5


def test_nothing_is_drawn_at_probability_zero_and_half_of_the_time_at_a_half() -> None:
    out = mixed(0)
    np.testing.assert_array_equal(out["image"], WHITE["image"])
    assert out["mix"] == 1.0
    touched = [mixed(seed, mixup=0.25, cutmix=0.25, mixup_alpha=5.0)["mix"] < 1 for seed in range(200)]
    assert 0.38 < np.mean(touched) < 0.62


def test_targets_are_blended() -> None:
    first, second = ({**each, "targets": tf.constant(values)} for each, values in ((WHITE, [1.0, 0.0]), (BLACK, [1.0, 1.0])))
    out = mixing.mix(first, lambda: second, AugmentOptions(mixup=1.0), tf.constant([3, 0], tf.int64))
    np.testing.assert_allclose(out["targets"], [1.0, 1.0 - out["mix"]], rtol=1e-6)
    assert "other_label" not in out


def test_a_partner_is_read_only_where_something_is_mixed() -> None:
    """Reading, decoding and augmenting one costs as much as the example itself."""
    read = []

    def partner() -> dict[str, tf.Tensor]:
        tf.py_function(lambda: read.append(1), [], [])
        return BLACK

    def mix(seed: tf.Tensor) -> tf.Tensor:
        return mixing.mix(WHITE, partner, AugmentOptions(mixup=0.2, cutmix=0.1, mixup_alpha=5.0), tf.stack([seed, 0]))["mix"]

    shares = list(tf.data.Dataset.range(200).map(mix).as_numpy_iterator())
    assert len(read) == sum(share < 1 for share in shares) < 100


def test_probabilities_of_both_fit_into_one() -> None:
    with pytest.raises(ValueError, match=r"got 0.7 beside mixup=0.5; .* use at most 0.5"):
        AugmentOptions(mixup=0.5, cutmix=0.7)
