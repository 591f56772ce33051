"""ViT: its published sizes, its place in keeping order, and the options that don't fit each other."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.layers.attention import SelfAttention
from kvision.layers.patches import Positions
from kvision.layers.stochastic_depth import StochasticDepth
from kvision.systems.classification.vit import ViT
from tests.unit.systems.classification import nets

SMALL = {"patch_px": 4, "width": 16, "depth": 2, "heads": 4}


def permuted(images: np.ndarray, order: np.ndarray, patch_px: int) -> np.ndarray:
    """The pictures with their patches in another order."""
    count, size_px = images.shape[:2]
    side = size_px // patch_px
    patches = images.reshape(count, side, patch_px, side, patch_px, 3).transpose(0, 1, 3, 2, 4, 5).reshape(count, side**2, patch_px, patch_px, 3)
    grid = patches[:, order].reshape(count, side, side, patch_px, patch_px, 3)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(images.shape)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"width": 192, "heads": 3}, 5_717_416),  # DeiT-Ti
        ({"width": 384, "heads": 6}, 22_050_664),  # DeiT-S
        ({}, 86_567_656),
        ({"patch_px": 32}, 88_224_232),
    ],
    ids=["Ti/16", "S/16", "B/16", "B/32"],
)
def test_the_parameters_are_the_published_ones(model: dict, expected: int) -> None:
    # One block is made and counted twelve times; the others are like it.
    net = nets.made(ViT, 224, 1000, depth=1, initializer="zeros", **model).net
    block = sum(layer.count_params() for layer in net.layers if layer.name.startswith("block0"))
    assert net.count_params() + 11 * block == expected


@pytest.mark.parametrize("pool", ["token", "mean"])
@pytest.mark.parametrize("positions", ["none", "learned", "sinusoidal"])
def test_without_positions_all_orders_of_the_patches_are_one(positions: str, pool: str) -> None:
    net, x = nets.made(ViT, 16, positions=positions, pool=pool, initializer="he_normal", **SMALL).net, nets.images(16)
    for layer in net.layers:
        if isinstance(layer, Positions) and positions == "learned":
            layer.positions.assign(keras.random.normal(layer.positions.shape, seed=0))
    order = np.random.default_rng(2).permutation(16)
    apart = np.abs(net(x).numpy() - net(permuted(x, order, 4)).numpy()).max() / np.abs(net(x).numpy()).max()
    assert apart < 1e-5 if positions == "none" else apart > 1e-3


def test_the_picture_is_seen_whole_by_every_block() -> None:
    net = nets.made(ViT, 16, pool="token", **SMALL).net
    attention = [layer for layer in net.layers if isinstance(layer, SelfAttention)]
    assert [(layer.num_heads, layer.output.shape[1:]) for layer in attention] == [(4, (17, 16))] * 2
    assert nets.made(ViT, 16, pool="mean", **SMALL).net.get_layer("block0_attention").output.shape[1:] == (16, 16)


def test_survival_falls_to_that_of_the_last_block() -> None:
    net = nets.made(ViT, 16, survival=0.6, token_dropout=0.2, **SMALL).net
    depths = [layer.survival for layer in net.layers if isinstance(layer, StochasticDepth)]
    assert depths == pytest.approx([0.8, 0.8, 0.6, 0.6])
    assert net.get_layer("token_dropout").rate == 0.2


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ({"patch_px": 5}, ("model.patch_px", "5 does not divide size_px=28; use a divisor such as 4")),
        ({"patch_px": 4, "width": 64, "heads": 5}, ("model.heads", "5 does not divide width=64; use a divisor such as 4")),
        (
            {"patch_px": 4, "width": 66, "heads": 6, "positions": "sinusoidal"},
            ("model.width", "66 is no multiple of 4, as positions=sinusoidal needs; use 68, or positions=learned"),
        ),
    ],
)
def test_what_does_not_fit_is_told(model: dict, fault: tuple[str, str]) -> None:
    assert ViT.check(nets.recipe(ViT, 28, **model)) == [fault]


def test_the_defaults_fit() -> None:
    assert ViT.check(nets.recipe(ViT, 224)) == []
