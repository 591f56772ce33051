"""Factors of the classes against scikit-learn's and numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from kvision.losses import class_weights

COUNTS = np.array([6, 3, 0, 1])


def test_balanced_is_scikit_learn_s() -> None:
    labels = np.repeat(np.arange(4), COUNTS)
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    found = class_weights.of("balanced", COUNTS, beta=0.0, several=False)
    np.testing.assert_allclose(found[[0, 1, 3]], expected)
    assert found[2] == 1.0
    assert np.average(found, weights=COUNTS) == pytest.approx(1.0)


def test_where_pictures_have_several_classes_the_mean_over_the_classes_is_one() -> None:
    # 1/6, 1/3 and 1 have the mean 1/2.
    np.testing.assert_allclose(class_weights.of("balanced", COUNTS, beta=0.0, several=True), [1 / 3, 2 / 3, 1.0, 2.0])


@pytest.mark.parametrize("several", [False, True])
def test_effective_numbers_by_hand(several: bool) -> None:
    # beta = 1/2: the effective numbers of 1, 2 and 3 examples are 1, 3/2 and 7/4, and their inverses 1, 2/3 and 4/7 have the mean 47/63.
    found = class_weights.of("effective", np.array([1, 2, 3]), beta=0.5, several=several)
    np.testing.assert_allclose(found, np.array([1, 2 / 3, 4 / 7]) * 63 / 47)


def test_effective_goes_from_alike_to_inverse_frequency() -> None:
    counts = np.array([10, 100, 1000])
    np.testing.assert_allclose(class_weights.of("effective", counts, beta=0.0, several=False), 1.0)
    inverse = 1 / counts
    np.testing.assert_allclose(class_weights.of("effective", counts, beta=1 - 1e-9, several=False), inverse / inverse.mean(), rtol=1e-5)
