"""Grey: Pillow's brightness, and equal channels stay as they are."""

from __future__ import annotations

import keras
import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from kvision.layers.grey import Grey


def test_photos_are_as_bright_as_pillow_has_them() -> None:
    photo = load_sample_images().images[0][::8, ::8]
    found = Grey()(photo.astype(np.float32))
    assert found.shape == (*photo.shape[:2], 1)
    np.testing.assert_allclose(found[..., 0], np.asarray(Image.fromarray(photo).convert("L")), atol=1.01)  # Pillow's are whole numbers


def test_equal_channels_stay_as_they_are() -> None:
    entry = keras.Input((4, 4, 3))
    net = keras.Model(entry, Grey()(entry))
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype(np.float32)
    assert net.output_shape == (None, 4, 4, 1)
    np.testing.assert_allclose(net(np.repeat(x, 3, -1)), x, rtol=1e-6)


def test_it_is_float32_whatever_the_policy() -> None:
    x = np.full((1, 2, 2, 3), 0.3, np.float32)
    np.testing.assert_allclose(Grey(dtype="mixed_bfloat16")(x), x[..., :1], rtol=1e-6)
