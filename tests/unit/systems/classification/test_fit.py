"""A fitted head: what the network says is what scikit-learn says of the body's features, and nothing is left to learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kvision import catalog
from kvision.systems.classification import _probe
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


@pytest.mark.parametrize("name", [name for name in catalog.systems() if name.startswith("classification/")])
def test_every_classifier_leaves_the_penalty_open(name: str) -> None:
    options = catalog.system(name).Options
    assert "probe_c" in options(weights="x", transfer="linear_probe").chosen()
    assert "probe_c" not in options(weights="x", transfer="linear_probe", probe_c=1.0).chosen()


def test_auxiliary_heads_do_not_learn_beside_a_fitted_one() -> None:
    system = nets.made(GoogLeNet, 16, width=0.05, blocks=(1, 1, 1), weights="x", transfer="linear_probe")
    assert system.networks.keys() == {"net", "auxiliary"}
    assert system.trainables() == {"net": []}
