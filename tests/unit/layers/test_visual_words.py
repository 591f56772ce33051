"""Visual words: patches, words and their pooling against a slow reference, and the codebook that scikit-learn finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_sample_images

from kvision.core.errors import DataError
from kvision.layers import visual_words
from kvision.layers.visual_words import Encoding, VisualWords
from tests.unit.layers import device

if TYPE_CHECKING:
    from pathlib import Path


def photos(count: int = 6, side: int = 20) -> np.ndarray:
    flower = load_sample_images().images[1]
    return np.stack([flower[40 * n : 40 * n + side, 90 + 30 * n : 90 + 30 * n + side] for n in range(count)]) / np.float32(255)


def slow_patches(images: np.ndarray, patch_px: int, stride_px: int) -> np.ndarray:
    starts = range(0, images.shape[1] - patch_px + 1, stride_px)
    found = np.stack([[images[:, row : row + patch_px, col : col + patch_px].reshape(len(images), -1) for col in starts] for row in starts])
    found = found.transpose(2, 0, 1, 3).astype(np.float64)
    return (found - found.mean(-1, keepdims=True)) / np.sqrt(found.var(-1, keepdims=True) + 10 / 255**2)


def fitted(encoding: Encoding, parts: int = 2) -> VisualWords:
    layer = VisualWords(7, 4, 3, encoding, parts)
    layer.build((None, 20, 20, 3))
    visual_words.fit(layer, lambda: iter([photos()[:4], photos()[4:]]), seed=0)
    return layer


@pytest.mark.parametrize(("patch_px", "stride_px"), [(6, 1), (4, 3)])
def test_patches_are_cut_and_normalised(patch_px: int, stride_px: int) -> None:
    found = visual_words.patches(tf.constant(photos()), patch_px, stride_px)
    np.testing.assert_allclose(found, slow_patches(photos(), patch_px, stride_px), rtol=0, atol=2e-4)


def test_a_flat_patch_is_nothing() -> None:
    np.testing.assert_allclose(visual_words.patches(tf.fill((1, 6, 6, 3), 0.7), 6, 1), 0.0, atol=1e-4)


@pytest.mark.parametrize("encoding", ["hard", "triangle"])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_words_are_counted_in_each_part(encoding: Encoding, parts: int) -> None:
    layer = fitted(encoding, parts)
    white = slow_patches(photos(), 4, 3) @ layer.kernel.numpy() + layer.bias.numpy()  # 6 x 6 patches
    distances = np.linalg.norm(white[..., None, :] - layer.codebook.numpy(), axis=-1)
    found = np.eye(7)[distances.argmin(-1)] if encoding == "hard" else np.maximum(0, distances.mean(-1, keepdims=True) - distances)
    side = 6 // parts
    expected = found.reshape(6, parts, side, parts, side, 7).mean((2, 4)).reshape(6, -1)
    np.testing.assert_allclose(layer(photos()), expected, rtol=0, atol=1e-3)


def test_whitened_patches_are_uncorrelated_and_words_are_their_centres() -> None:
    layer = fitted("hard")
    drawn = visual_words.draw(lambda: iter([photos()]), 4, 3, seed=0)
    assert drawn.shape == (6 * 36, 48)
    white = drawn @ layer.kernel.numpy() + layer.bias.numpy()
    covariance = np.cov(white.T)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 0.5 * np.abs(np.cov(drawn.T) - np.diag(np.diag(np.cov(drawn.T)))).max()
    spread = np.square(white - white.mean(0)).sum()
    left = np.square(white[:, None] - layer.codebook.numpy()).sum(-1).min(1).sum()
    assert left < 0.9 * spread


def test_as_many_patches_of_each_picture_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visual_words, "MOST_PATCHES", 30)
    drawn = visual_words.draw(lambda: iter([photos()[:4], photos()[4:]]), 4, 3, seed=0)
    assert len(drawn) == 30
    every = slow_patches(photos(), 4, 3).reshape(6, 36, 48)
    for number, part in enumerate(drawn.reshape(6, 5, 48)):
        distances = np.abs(part[:, None] - every[number]).max(-1)
        assert distances.min(1).max() < 1e-3
        assert len(set(distances.argmin(1))) == 5


def test_the_seed_decides() -> None:
    one, two = fitted("triangle").get_weights(), fitted("triangle").get_weights()
    for ours, theirs in zip(one, two, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_more_words_than_patches_are_refused() -> None:
    layer = VisualWords(300, 4, 3)
    layer.build((None, 20, 20, 3))
    with pytest.raises(DataError, match=r"model.words: 300 can't be told apart in 216 patches; use fewer, or more pictures"):
        visual_words.fit(layer, lambda: iter([photos()]), seed=0)


def test_saved_and_loaded_it_says_the_same(tmp_path: Path) -> None:
    entry = keras.Input((20, 20, 3))
    layer = VisualWords(5, 4, 4, "triangle", 2)
    net = keras.Model(entry, layer(entry))
    assert net.output_shape == (None, 20)
    assert net.trainable_variables == []
    net.save(tmp_path / "net.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "net.keras")(photos()), net(photos()))


def test_whole_numbers_say_nearly_the_same() -> None:
    entry = keras.Input((20, 20, 3))
    net = keras.Model(entry, fitted("triangle")(entry))
    exact, found = net(photos()).numpy(), device.whole_numbers(net, photos())
    assert np.abs(found - exact).mean() < 0.1 * np.abs(exact).mean()
