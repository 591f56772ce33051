"""ShuffleNet: its published sizes, what its blocks see, and small pictures."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.layers.shuffle import ChannelShuffle
from kvision.systems.classification.shufflenet import ShuffleNet
from tests.unit.systems.classification import nets


def trainable(net: keras.Model) -> int:
    return sum(int(np.prod(each.shape)) for each in net.trainable_weights)


@pytest.mark.parametrize(("scale", "expected"), [(0.5, 1_366_792), (1.0, 2_278_604), (1.5, 3_503_624), (2.0, 7_393_996)])
def test_version_2_has_the_published_parameters(scale: float, expected: int) -> None:
    assert trainable(nets.made(ShuffleNet, 224, 1000, version="v2", scale=scale, initializer="zeros").net) == expected


def by_hand(groups: int, first: int) -> int:
    """Parameters of version 1 as tables and figures of its paper have them: kernels and normalisations of each block, then the logits."""
    total, channels = 3 * 3 * 3 * 24 + 2 * 24, 24
    for stage, count in enumerate((4, 8, 4)):
        width = first * 2**stage
        for place in range(count):
            inner, outputs = width // 4, width - channels if place == 0 else width
            total += channels * inner // (1 if channels == 24 else groups) + 9 * inner + inner * outputs // groups + 2 * (2 * inner + outputs)
            channels = width
    return total + channels * 1000 + 1000


@pytest.mark.parametrize(("groups", "first"), [(1, 144), (3, 240), (8, 384)])
def test_version_1_has_the_parameters_of_its_table(groups: int, first: int) -> None:
    net = nets.made(ShuffleNet, 224, 1000, version="v1", groups=groups, initializer="zeros").net
    assert trainable(net) == by_hand(groups, first)
    assert net.get_layer("stage2_block3_out").output.shape[1:] == (7, 7, 4 * first)


def test_half_of_the_channels_go_on_as_they_are() -> None:
    net = nets.made(ShuffleNet, 32, scale=0.5, stages=(2,)).net
    before, after = (net.get_layer(f"stage0_block{place}_shuffle").output for place in range(2))
    x, y = (np.asarray(each) for each in keras.Model(net.input, [before, after])(nets.images(32)))
    np.testing.assert_array_equal(np.asarray(ChannelShuffle(24)(y))[..., :24], x[..., :24])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_small_pictures_are_halved_three_times_not_five(version: str) -> None:
    small = nets.made(ShuffleNet, 28, version=version, scale=0.5).net
    assert small.get_layer("stage2_block0_concat").output.shape[1] == 4
    large = nets.made(ShuffleNet, 28, version=version, scale=0.5, stem="imagenet").net
    assert large.get_layer("stage2_block0_concat").output.shape[1] == 1


def test_the_narrowest_version_1_is_wider_than_its_stem() -> None:
    assert ShuffleNet.Options(version="v1", scale=0.01, groups=3).widths() == [36, 72, 144]
    assert ShuffleNet.Options(version="v2", scale=0.25).widths() == [28, 58, 116]


def test_options_without_effect_are_refused() -> None:
    problems = [
        *ShuffleNet.check(nets.recipe(ShuffleNet, 32, groups=8)),
        *ShuffleNet.check(nets.recipe(ShuffleNet, 32, version="v1", last=9)),
        *ShuffleNet.check(nets.recipe(ShuffleNet, 32, activation="maxout")),
    ]
    assert problems == [
        ("model.groups", "8 has no effect on version=v2, which has none; take it out, or use version=v1"),
        ("model.last", "9 has no effect on version=v1, whose last block gives the features; take it out"),
        ("model.activation", "maxout halves the channels, which depthwise convolutions can't follow; use relu"),
    ]
