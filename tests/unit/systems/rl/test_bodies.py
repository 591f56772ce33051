"""Bodies for pictures, against the numbers of their papers."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kvision.data.environments.spaces import Spaces
from kvision.systems.rl import _bodies


def net(body: Any, shape: tuple[int, ...], dtype: str = "uint8") -> keras.Model:
    spaces = Spaces(shape, dtype, actions=(2,))
    seen = _bodies.observation(spaces)
    return keras.Model(seen, body(spaces, seen, "policy"))


def test_nature_is_the_published_network() -> None:
    body = net(_bodies.nature, (84, 84, 4))
    assert [layer.output.shape[1:] for layer in body.layers if "conv" in layer.name] == [(20, 20, 32), (9, 9, 64), (7, 7, 64)]
    assert body.output_shape == (None, 512)
    # 4*32*8*8 + 32, 32*64*4*4 + 64, 64*64*3*3 + 64, 7*7*64*512 + 512: 1,684,128 without the head, as everybody counts it
    assert body.count_params() == 8224 + 32832 + 36928 + 1606144 == 1684128


def test_impala_is_the_published_network() -> None:
    body = net(_bodies.impala, (72, 96, 3))
    convolutions = [layer for layer in body.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 15
    assert [layer.output.shape[1:] for layer in body.layers if "pool" in layer.name] == [(36, 48, 16), (18, 24, 32), (9, 12, 32)]
    # By section: the first convolution, then four of the same width; and the dense layer.
    sections = [27 * 16 + 16 + 4 * (144 * 16 + 16), 144 * 32 + 32 + 4 * (288 * 32 + 32), 5 * (288 * 32 + 32)]
    assert body.count_params() == sum(sections) + 9 * 12 * 32 * 256 + 256


@pytest.mark.parametrize(
    ("shape", "maps"), [((10, 10, 4), (10, 10, 16)), ((21, 21, 3), (11, 11, 16)), ((35, 40, 1), (18, 20, 16)), ((1, 3, 3), (1, 3, 16))]
)
def test_nature_takes_small_pictures_with_one_convolution(shape: tuple[int, ...], maps: tuple[int, ...]) -> None:
    body = net(_bodies.nature, shape)
    assert [layer.output.shape[1:] for layer in body.layers if "conv" in layer.name] == [maps]
    assert body.output_shape == (None, 128)


@pytest.mark.parametrize("shape", [(36, 36, 1), (50, 36, 3)])
def test_nature_takes_pictures_from_36_pixels_as_they_are(shape: tuple[int, ...]) -> None:
    assert net(_bodies.nature, shape).output_shape == (None, 512)


@pytest.mark.parametrize("body", [_bodies.nature, _bodies.impala])
def test_weights_are_orthogonal_and_bytes_are_scaled_inside(body: Any) -> None:
    keras.utils.set_random_seed(0)
    model = net(body, (10, 10, 4))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            kernel = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1])
            short = kernel if kernel.shape[0] >= kernel.shape[1] else kernel.T
            np.testing.assert_allclose(short.T @ short, 2 * np.eye(short.shape[1]), atol=1e-4)
            assert not layer.bias.numpy().any()
    pictures = np.random.default_rng(0).integers(0, 256, (3, 10, 10, 4)).astype(np.uint8)
    floats = net(body, (10, 10, 4), "float32")
    floats.set_weights(model.get_weights())
    np.testing.assert_allclose(model(pictures), floats(pictures * np.float32(1 / 255)), rtol=1e-5, atol=1e-5)
