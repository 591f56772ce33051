"""AlexNet and ZFNet: sizes and shapes are the published ones, the groups see only their share, and small pictures work."""

from __future__ import annotations

import numpy as np
import pytest

from kvision.systems.classification.alexnet import AlexNet
from tests.unit.systems.classification import nets

PAPER = {"filters": (96, 256, 384, 384, 256), "groups": 2}


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, 61_100_840),  # torchvision.models.alexnet
        (PAPER, 60_965_224),  # the paper's, as Caffe has it
        ({"kind": "zfnet"}, 62_357_608),
    ],
)
def test_the_parameters_are_the_published_ones(model: dict, expected: int) -> None:
    assert nets.made(AlexNet, 224, 1000, initializer="zeros", **model).net.count_params() == expected


@pytest.mark.parametrize(
    ("kind", "size_px", "expected"),
    [
        ("alexnet", 224, [55, 27, 27, 13, 13, 13, 13, 6]),
        ("zfnet", 224, [110, 55, 26, 13, 13, 13, 13, 6]),
        ("alexnet", 28, [28, 13, 13, 6, 6, 6, 6, 2]),
        ("zfnet", 32, [32, 15, 15, 7, 7, 7, 7, 3]),
    ],
)
def test_the_sides_of_the_maps(kind: str, size_px: int, expected: list[int]) -> None:
    net = nets.made(AlexNet, size_px, kind=kind, width=0.02, hidden=()).net
    names = ("conv1_conv", "pool1", "conv2_conv", "pool2", "conv3_conv", "conv4_conv", "conv5_conv", "pool5")
    assert [net.get_layer(name).output.shape[1] for name in names] == expected


def test_two_groups_see_nothing_of_each_other() -> None:
    net = nets.made(AlexNet, 16, groups=2, width=1 / 32, hidden=()).net
    assert [net.get_layer(f"conv{number}_conv").groups for number in range(1, 6)] == [1, 2, 1, 2, 2]
    layer = net.get_layer("conv2_conv")
    x = np.random.default_rng(0).normal(size=(1, 7, 7, 2)).astype(np.float32)
    changed = x.copy()
    changed[..., 1] += 1.0
    different = np.any(np.asarray(layer(x)) != np.asarray(layer(changed)), axis=(0, 1, 2))
    assert different.tolist() == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("size_px", "model", "expected"),
    [
        (
            52,
            {"kind": "zfnet", "stem": "imagenet"},
            ("data.size_px", "52 is too small for the convolutions and poolings of zfnet; use at least 53, or from 15 on model.stem=cifar"),
        ),
        (14, {}, ("data.size_px", "14 is too small for the convolutions and poolings of alexnet; use at least 15")),
        (32, {"groups": 3}, ("model.groups", "3 does not divide 64, the filters of convolution 1; use 1 or 2, or other filters")),
    ],
)
def test_what_can_not_be_built_is_refused(size_px: int, model: dict, expected: tuple[str, str]) -> None:
    assert AlexNet.check(nets.recipe(AlexNet, size_px, **model)) == [expected]


@pytest.mark.parametrize(("size_px", "model"), [(53, {"kind": "zfnet", "stem": "imagenet"}), (63, {"stem": "imagenet"}), (15, {})])
def test_the_least_size_leaves_one_pixel(size_px: int, model: dict) -> None:
    assert AlexNet.check(nets.recipe(AlexNet, size_px, **model)) == []
    net = nets.made(AlexNet, size_px, width=0.02, hidden=(4,), **model).net
    assert net.get_layer("pool5").output.shape[1:3] == (1, 1)
    assert np.isfinite(net(nets.images(size_px))).all()
