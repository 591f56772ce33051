"""Whitening against scikit-learn's PCA and numbers worked by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.decomposition import PCA

from kvision.core.errors import DataError, UsageError
from kvision.layers import whitening


def correlated(examples: int = 300, inputs: int = 12) -> np.ndarray:
    generator = np.random.default_rng(0)
    return (generator.normal(size=(examples, inputs)) @ generator.normal(size=(inputs, inputs)) + generator.normal(size=inputs)).astype(np.float32)


def fitted(x: np.ndarray, kind: whitening.Kind, components: int | None = None, epsilon: float = 0.0) -> np.ndarray:
    entry = keras.Input((x.shape[1],))
    net = keras.Model(entry, whitening.whiten(entry, kind, components))
    assert not net.trainable_variables
    whitening.fit(net.get_layer("whiten"), np.array_split(x, 7), kind, components, epsilon)
    return net(x).numpy()


@pytest.mark.parametrize("components", [None, 5])
def test_pca_is_scikit_learn_s(components: int | None) -> None:
    x = correlated()
    expected = PCA(components, whiten=True).fit_transform(x.astype(np.float64))
    np.testing.assert_allclose(fitted(x, "pca", components), expected, rtol=1e-3, atol=1e-4)


def test_zca_is_the_whitening_next_to_the_inputs() -> None:
    x = correlated()
    found = fitted(x, "zca")
    np.testing.assert_allclose(np.cov(found.T), np.eye(12), atol=1e-4)
    covariance = np.cov(x.astype(np.float64).T)
    root = np.linalg.inv((x - x.mean(0)).T @ found / (len(x) - 1))  # the covariance of inputs and outputs is the covariance's symmetric root
    np.testing.assert_allclose(root @ root @ covariance, np.eye(12), atol=5e-3)


def test_by_hand() -> None:
    # Variance 3 along (1, 1) and 1 along (1, -1), mean (1, 0).
    mean, covariance = np.array([1.0, 0.0]), np.array([[2.0, 1.0], [1.0, 2.0]])
    kernel, bias = whitening.projection(mean, covariance, "pca", 1, 0.0)
    np.testing.assert_allclose(kernel[:, 0], np.array([1.0, 1.0]) / np.sqrt(6.0))
    np.testing.assert_allclose(bias, -1 / np.sqrt(6.0))
    kernel, bias = whitening.projection(mean, covariance, "zca", None, 1.0)  # variances 4 and 2
    same, other = 0.5 * (1 / 2 + 1 / np.sqrt(2)), 0.5 * (1 / 2 - 1 / np.sqrt(2))
    np.testing.assert_allclose(kernel, [[same, other], [other, same]])
    np.testing.assert_allclose(bias, [-same, -other])


@pytest.mark.parametrize("kind", ["pca", "zca"])
def test_directions_without_variance_give_nothing(kind: whitening.Kind) -> None:
    x = np.repeat(correlated(inputs=4), 3, axis=1)  # as the three channels of a grey picture
    found = fitted(x, kind, epsilon=1e-5)
    assert (np.abs(found).max(0) < 6).all()
    if kind == "pca":
        np.testing.assert_allclose(found.std(0, ddof=1), [1.0] * 4 + [0.0] * 8, atol=1e-3)


def test_the_moments_of_batches_are_those_of_all() -> None:
    x = correlated() + 1e4
    mean, covariance = whitening.moments(np.array_split(x, 11))
    np.testing.assert_allclose(mean, x.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(x.astype(np.float64).T), rtol=1e-8)


def test_what_can_t_be_whitened_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"model\.whiten: pca of 4107 inputs is too much work; use a data\.size_px that gives at most 4096, such as 36"
    ):
        whitening.whiten(keras.Input((37, 37, 3)), "pca", None)
    with pytest.raises(UsageError, match=r"model\.components: 9 of 8 inputs can't be kept; use at most 8"):
        whitening.whiten(keras.Input((8,)), "zca", 9)
    with pytest.raises(DataError, match=r"model\.whiten: 1 training examples have no variance; give at least 2"):
        whitening.moments([np.zeros((1, 3))])
