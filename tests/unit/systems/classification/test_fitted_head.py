"""A fitted head: what the network says is what scikit-learn says of the body's features, and nothing is left to learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kvision import catalog
from kvision.core.errors import DataError
from kvision.systems.classification import _fitted_head, _probe
from kvision.systems.classification.googlenet import GoogLeNet
from tests.unit.systems.classification import examples, nets

LABELS = np.arange(60) % 3
IMAGES = (np.random.default_rng(0).normal(size=(60, 8, 8, 3)) + LABELS[:, None, None, None]).astype(np.float32)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def shown(split: str) -> Any:
    assert split == "train"
    for start in range(0, 60, 16):
        rows = slice(start, start + 16)
        yield {"image": IMAGES[rows], "label": LABELS[rows], "targets": np.eye(3, dtype=np.float32)[LABELS[rows]]}


def fitted(info: Any = examples.ONE, **model: Any) -> Any:
    system = examples.classifier(info, weights="x", transfer="linear_probe", **model)
    before = system.net.get_weights()
    system.fit(shown)
    for old, new in zip(before[:-2], system.net.get_weights()[:-2], strict=True):
        np.testing.assert_array_equal(old, new)
    assert system.trainables() == {"net": []}
    return system


@pytest.mark.parametrize("tta", ["none", "flip"])
def test_the_network_says_what_the_probe_says_of_the_mean_features_of_the_views(tta: str) -> None:
    system = fitted(tta=tta, probe_c=0.1, dropout=0.5)
    assert system.chosen() == {}
    body = keras.Model(system.net.input, system.net.get_layer("logits").input)
    features = body.predict(IMAGES, verbose=0, batch_size=60)
    features = features.reshape(-1, 60, features.shape[-1]).mean(0)
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(features, LABELS).decision_function(features)
    np.testing.assert_allclose(system.net.predict(IMAGES, verbose=0), expected, atol=1e-3)


def test_the_choice_is_told_and_pictures_may_have_several_classes() -> None:
    system = fitted(examples.SEVERAL)
    chosen = system.chosen()["model.probe_c"]
    assert "on 5 folds of the training examples" in chosen.why
    assert chosen.value > min(_probe.STRENGTHS)
    logits = system.net.predict(IMAGES, verbose=0)
    assert np.mean((logits > 0) == np.eye(3)[LABELS]) > 0.8  # the class in the middle is not apart by a line
    assert float(examples.classifier(loss={"l2": 1.0}, weights="x", transfer="linear_probe").penalty()) == 0.0


def test_heads_that_are_learnt_are_left_alone() -> None:
    system = examples.classifier(weights="x", transfer="freeze")
    before = system.net.get_weights()
    system.fit(shown)
    np.testing.assert_array_equal(before[-1], system.net.get_weights()[-1])


@pytest.mark.parametrize("name", [name for name in catalog.systems() if name.startswith("classification/") and not name.endswith("/ensemble")])
def test_every_classifier_leaves_the_penalty_open(name: str) -> None:
    options = catalog.system(name).Options
    assert "probe_c" in options(weights="x", transfer="linear_probe").chosen()
    assert "probe_c" not in options(weights="x", transfer="linear_probe", probe_c=1.0).chosen()


def test_auxiliary_heads_do_not_learn_beside_a_fitted_one() -> None:
    system = nets.made(GoogLeNet, 16, width=0.05, blocks=(1, 1, 1), weights="x", transfer="linear_probe")
    assert system.networks.keys() == {"net", "auxiliary"}
    assert system.trainables() == {"net": []}


def test_the_nearest_examples_vote_as_scikit_learn_s_do() -> None:
    system = examples.classifier(weights="x", transfer="knn", knn_k=5, knn_examples=60)
    system.fit(shown)
    assert system.chosen() == {}
    assert system.trainables() == {"net": []}
    body = keras.Model(system.net.input, system.net.get_layer("logits").input)
    queries = IMAGES[::-1] + np.float32(0.3)
    model = KNeighborsClassifier(5, metric="cosine").fit(body.predict(IMAGES, verbose=0), LABELS)
    expected = model.predict_proba(body.predict(queries, verbose=0))
    logits = system.net.predict(queries, verbose=0)
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(shares * 6 - 1 / 3, expected * 5, atol=1e-4)  # one more vote is spread evenly


def test_how_many_vote_is_chosen_on_folds_and_of_single_examples_one_does() -> None:
    system = examples.classifier(weights="x", transfer="knn", knn_examples=60)
    system.fit(shown)
    chosen = system.chosen()["model.knn_k"]
    assert chosen.why.startswith("best mean accuracy on 5 folds of the training examples (1: ")
    assert int(system.net.get_layer("logits").k.numpy()) == chosen.value
    assert _fitted_head._number_of_neighbours(np.eye(3), np.arange(3)).value == 1


def test_votes_need_the_examples_that_were_counted() -> None:
    system = examples.classifier(weights="x", transfer="knn", knn_examples=61)
    with pytest.raises(DataError, match="there were 61 training examples when the network was built, and 60 can be read"):
        system.fit(shown)
