"""The linear layer of a probe against scikit-learn's own pipeline, and the choice of its penalty."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from kvision.core.errors import DataError
from kvision.systems.classification import _probe

DATA = load_digits()
FEATURES, LABELS = DATA.data[:400].astype(np.float32), DATA.target[:400].astype(np.int64)


@pytest.mark.parametrize(
    ("kind", "reference"), [("logistic", LogisticRegression(C=0.01, max_iter=1000)), ("svm", LinearSVC(C=0.01, max_iter=1000, random_state=0))]
)
def test_the_layer_takes_features_as_they_are_and_says_what_scikit_learn_says(kind, reference):
    layer = _probe.fit(FEATURES, LABELS, kind, 0.01, 10)
    assert (layer.kernel.shape, layer.bias.shape, layer.kernel.dtype) == ((64, 10), (10,), np.float32)
    expected = make_pipeline(StandardScaler(), reference).fit(FEATURES, LABELS).decision_function(FEATURES)
    np.testing.assert_allclose(layer(FEATURES), expected, atol=1e-4)


def test_the_softmax_of_two_classes_is_the_sigmoid_of_their_score():
    two = LABELS < 2
    layer = _probe.fit(FEATURES[two], LABELS[two], "logistic", 0.1, 2)
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)).fit(FEATURES[two], LABELS[two]).predict_proba(FEATURES)
    logits = np.exp(layer(FEATURES))
    np.testing.assert_allclose(logits / logits.sum(1, keepdims=True), expected, atol=1e-5)


def test_of_several_classes_each_has_a_regression_of_its_own():
    features, targets = make_multilabel_classification(200, 12, n_classes=4, random_state=0)
    layer = _probe.fit(features, targets, "logistic", 0.1, 4)
    for number in range(4):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(features, targets[:, number])
        np.testing.assert_allclose(layer(features)[:, number], model.decision_function(features), atol=1e-3)
    chosen = _probe.choose(features, targets, "logistic", 4)
    assert chosen.value in _probe.STRENGTHS


def test_the_penalty_that_is_best_on_the_folds_is_chosen_and_says_why():
    chosen = _probe.choose(FEATURES, LABELS, "logistic", 10)
    scores = {
        c: cross_val_score(make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000)), FEATURES, LABELS, cv=StratifiedKFold(5)).mean()
        for c in (1e-4, chosen.value)
    }
    assert scores[1e-4] + 0.02 < scores[chosen.value]
    assert f"{chosen.value:g}: 0.9" in chosen.why
    means = [float(part.partition(": ")[2]) for part in chosen.why.partition("(")[2].partition(")")[0].split(", ")]
    folds = [float(word) for word in chosen.why.partition("its folds: ")[2].split()]
    assert len(folds) == 5
    assert np.mean(folds) == pytest.approx(max(means), abs=1e-4)
    assert len(means) < len(_probe.STRENGTHS)  # it stops once it gets worse


def test_few_examples_have_few_folds_or_none():
    rows = np.concatenate([np.flatnonzero(number == LABELS)[:2] for number in range(10)])
    assert "on 2 folds" in _probe.choose(FEATURES[rows], LABELS[rows], "logistic", 10).why
    alone = _probe.choose(FEATURES[rows[::2]], LABELS[rows[::2]], "logistic", 10)
    assert (alone.value, alone.why) == (_probe.PLAIN, "a class has too few examples to choose on")
    layer = _probe.fit(FEATURES[rows[::2]], LABELS[rows[::2]], "svm", alone.value, 10)
    assert (layer(FEATURES[rows[::2]]).argmax(1) == LABELS[rows[::2]]).all()


def test_folds_leave_both_answers_of_each_class():
    targets = np.stack([np.arange(60) % 2, np.ones(60, np.int64)], axis=1)
    targets[[1, 5], 1] = 0  # of two folds, both would be in one
    features = np.random.default_rng(0).normal(size=(60, 3)) + targets[:, :1]
    assert _probe.choose(features, targets, "logistic", 2).value == _probe.PLAIN
    targets[[7, 9, 11, 13], 1] = 0
    assert "on 5 folds" in _probe.choose(features, targets, "logistic", 2).why


def test_classes_without_examples_are_named():
    with pytest.raises(DataError, match="class 10 has none of the 400 training examples"):
        _probe.choose(FEATURES, LABELS, "logistic", 11)
    targets = np.ones((400, 2), np.int64)
    targets[:9, 0] = 0
    with pytest.raises(DataError, match="class 1 has all of the 400 training examples"):
        _probe.fit(FEATURES, targets, "logistic", 1.0, 2)
