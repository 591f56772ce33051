"""Features made by hand: every one goes before every classifier that takes them, is fitted where it must be, and sees pictures as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

from kvision.systems.classification import _handmade
from kvision.systems.classification.knn import KNN
from kvision.systems.classification.mlp import MLP
from tests.unit.systems.classification import nets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kvision.systems.classification._part import Classifier

SIZE = 16
FEATURES: dict[str, tuple[dict[str, Any], int]] = {
    "none": ({"grey": True}, 256),
    "hog": ({"features": "hog", "cell_px": 4, "orientations": 6}, 3 * 3 * 4 * 6),
    "colour_histogram": ({"features": "colour_histogram", "bins": (3, 2, 5)}, 30),
    "visual_words": ({"features": "visual_words", "words": 5, "grey": True}, 20),
}
"""Options, and how many values they give."""


def digits() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    images = np.kron(found.images[:300] / 16, np.ones((2, 2)))[..., None].astype(np.float32)
    return np.repeat(images, 3, axis=-1), found.target[:300]


def examples(split: str) -> Iterator[dict[str, np.ndarray]]:
    images, labels = digits()
    part = slice(0, 200) if split == "train" else slice(200, 300)
    yield {"image": images[part], "label": labels[part]}


@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("system", [MLP, KNN])
def test_features_enter_the_classifier(system: type[Classifier], kind: str) -> None:
    options, width = FEATURES[kind]
    more = {"k": 1, "examples": 200} if system is KNN else {"hidden": ()}
    made = nets.made(system, SIZE, **options, **more)
    made.fit(examples)
    assert made.net.get_layer("logits").input.shape == (None, width)
    images, labels = digits()
    if system is KNN:
        assert np.mean(made.predict_step(images[:200])["classes"] == labels[:200]) > (0.1 if kind == "colour_histogram" else 0.99)


def test_features_tell_digits_apart() -> None:
    def accuracy(**options: Any) -> float:
        made = nets.made(KNN, SIZE, k=1, examples=200, metric="cosine", **options)
        made.fit(examples)
        images, labels = digits()
        return float(np.mean(made.predict_step(images[200:])["classes"] == labels[200:]))

    assert accuracy(features="hog", cell_px=4, grey=True) > 0.9
    assert accuracy(features="visual_words", words=40, stride_px=1) > 0.8


def test_the_codebook_is_learnt_once_and_kept_where_weights_are_given() -> None:
    options = {"hidden": (), "features": "visual_words", "words": 5}
    fresh, given = nets.made(MLP, SIZE, **options), nets.made(MLP, SIZE, weights="runs/other", **options)
    before = [each.get_layer("features").codebook.numpy() for each in (fresh, given) for each in [each.net]]
    fresh.fit(examples)
    given.fit(examples)
    after = [each.net.get_layer("features").codebook.numpy() for each in (fresh, given)]
    assert np.abs(after[0] - before[0]).max() > 0.1
    np.testing.assert_array_equal(after[1], before[1])


def test_whitening_sees_the_features() -> None:
    made = nets.made(MLP, SIZE, hidden=(4,), features="hog", cell_px=4, grey=True, whiten="pca", components=10)
    made.fit(examples)
    seen = keras.Model(made.net.input, made.net.get_layer("whiten").output)(digits()[0][:200]).numpy()
    np.testing.assert_allclose(np.cov(seen.T), np.eye(10), atol=2e-2)


def test_pictures_come_as_they_are_where_there_are_features() -> None:
    made = nets.made(MLP, SIZE, hidden=(), features="hog")
    given = made.pretrained(Path())
    assert given is not None
    assert given.preprocess(made.recipe.data).normalise(np.full((1, 1, 3), 51, np.uint8)).numpy().ravel() == pytest.approx(0.2)
    assert nets.made(MLP, SIZE, hidden=()).pretrained(Path()) is None


@pytest.mark.parametrize("system", [MLP, KNN])
@pytest.mark.parametrize(
    ("model", "where", "message"),
    [
        ({"cell_px": 4}, "model.cell_px", "4 has no effect on features=none; take it out, or use features=hog"),
        (
            {"features": "colour_histogram", "grey": True},
            "model.grey",
            "True has no effect on features=colour_histogram; take it out, or use features=none or hog or visual_words",
        ),
        (
            {"features": "hog", "block_cells": 3},
            "model.cell_px",
            "a block of 3 cells of 8 pixels does not fit into data.size_px=16; use smaller cells, or fewer in a block",
        ),
        ({"features": "colour_histogram", "soft": True}, "model.soft", "True does not go with space=hsv; use space=rgb"),
        (
            {"features": "colour_histogram", "bins": (2, 4, 4)},
            "model.bins",
            "[2, 4, 4] does not go with space=hsv; use at least 3 bins of hue, the first number",
        ),
        (
            {"features": "visual_words", "patch_px": 15, "parts": 3},
            "model.patch_px",
            "patches of 15 pixels fill no 3 x 3 parts of data.size_px=16; use smaller ones, or fewer parts",
        ),
    ],
)
def test_options_that_don_t_go_together_are_refused(system: type[Classifier], model: dict[str, Any], where: str, message: str) -> None:
    assert system.check(nets.recipe(system, SIZE, **model)) == [(where, message)]


def test_every_option_belongs_to_some_features() -> None:
    assert set(_handmade.FeatureOptions.model_fields) - {"features"} == set(_handmade._USED_BY)


def test_a_linear_svm_over_our_hog_is_good_at_digits() -> None:
    net = nets.made(MLP, SIZE, hidden=(), features="hog", cell_px=4, grey=True).net
    images, labels = digits()
    features = net.get_layer("features")(images[..., :1]).numpy()
    assert LinearSVC().fit(features[:200], labels[:200]).score(features[200:], labels[200:]) > 0.9
