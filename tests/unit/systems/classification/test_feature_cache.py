"""Features are computed once for each picture and body, whatever asks for them."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from kvision.systems.classification._feature_cache import Features

IMAGES = np.random.default_rng(1).normal(size=(10, 6, 6, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "kvision" / "features"


class Body:
    """A body that counts the pictures that it is shown."""

    def __init__(self, seed: int = 0, activation: str = "relu") -> None:
        image = keras.Input((6, 6, 3))
        x = keras.layers.Conv2D(4, 3, activation=activation, kernel_initializer=keras.initializers.GlorotUniform(seed))(image)
        self.net = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
        self.features = Features(self.net)
        computed = self.features._body
        self.shown: list[int] = []

        def counted(images):
            self.shown.append(len(images))
            return computed(images)

        self.features._body = counted

    def of(self, *batches: np.ndarray) -> np.ndarray:
        return self.features.of_all(iter(batches))


def test_features_are_what_the_body_says_and_are_computed_once(cache: Path) -> None:
    first, second = Body(), Body()
    np.testing.assert_allclose(first.of(IMAGES[:4], IMAGES[4:6]), first.net.predict(IMAGES[:6], verbose=0), atol=1e-6)
    assert first.shown == [4, 2]
    assert len(list(cache.iterdir())) == 1
    again = Body()
    np.testing.assert_array_equal(again.of(IMAGES[2:4], IMAGES[4:]), np.concatenate([first.of(IMAGES[2:6]), second.of(IMAGES[6:])]))
    assert again.shown == [4]
    assert first.shown == [4, 2]
    last = Body()
    assert last.of(IMAGES[::-1]).shape == (10, 4)
    assert last.shown == []


def test_other_weights_layers_and_pictures_have_features_of_their_own(cache: Path) -> None:
    Body().of(IMAGES)
    for other in (Body(seed=1), Body(activation="tanh")):
        other.of(IMAGES)
        assert other.shown == [10]
    changed = Body()
    changed.of(IMAGES + np.float32(1e-3))
    assert changed.shown == [10]
    assert len(list(cache.iterdir())) == 3


def test_a_damaged_cache_or_none_costs_time_only(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Body().of(IMAGES)
    (file,) = cache.iterdir()
    for torn in (b"torn", b""):
        file.write_bytes(torn)
        np.testing.assert_array_equal(Body().of(IMAGES), expected)
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))  # a file, so that nothing can be kept
    np.testing.assert_array_equal(Body().of(IMAGES), expected)
