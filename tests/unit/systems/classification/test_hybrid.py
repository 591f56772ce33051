"""The hybrid: its published sizes, where its stages look, and the options that don't fit each other."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.core.schema import Chosen
from kvision.layers.attention import SelfAttention
from kvision.layers.stochastic_depth import StochasticDepth
from kvision.systems.classification.hybrid import Hybrid, HybridOptions
from tests.unit.systems.classification import nets

SMALL = {"stages": (1, 1, 2), "widths": (4, 8, 16), "attention_stages": 1, "head_width": 8}


@pytest.mark.parametrize(
    ("stages", "widths", "millions"),
    [((2, 2, 3, 5, 2), (64, 96, 192, 384, 768), 25), ((2, 2, 6, 14, 2), (64, 96, 192, 384, 768), 42)],
    ids=["0", "1"],
)
def test_the_parameters_are_the_published_millions(stages: tuple[int, ...], widths: tuple[int, ...], millions: int) -> None:
    # Table 4; two blocks a stage are made, of which the second is counted as often as there are more.
    net = nets.made(Hybrid, 224, 1000, initializer="zeros", stages=(2, 2, 2, 2, 2), widths=widths).net
    blocks = [sum(layer.count_params() for layer in net.layers if layer.name.startswith(f"stage{stage}_block1")) for stage in range(1, 5)]
    total = net.count_params() + sum((count - 2) * block for count, block in zip(stages[1:], blocks, strict=True))
    assert total / 1e6 == pytest.approx(millions, rel=0.04)


def test_convolutions_come_first_and_attention_knows_the_grid() -> None:
    net = nets.made(Hybrid, 224, **SMALL | {"stages": (2, 1, 1, 1, 1), "widths": (4, 8, 8, 16, 16), "attention_stages": 2}).net
    attention = [layer for layer in net.layers if isinstance(layer, SelfAttention)]
    assert [(layer.name, layer.grid, layer.num_heads) for layer in attention] == [
        ("stage3_block0_attention", (14, 14), 2),
        ("stage4_block0_attention", (7, 7), 2),
    ]
    depthwise = [layer.name for layer in net.layers if isinstance(layer, keras.layers.DepthwiseConv2D)]
    assert depthwise == ["stage1_block0_depthwise_conv", "stage2_block0_depthwise_conv"]
    assert net.get_layer("stem0_conv").strides == (2, 2)


@pytest.mark.parametrize("attention_stages", [0, 1, 2])
def test_any_number_of_stages_may_be_attention(attention_stages: int) -> None:
    net = nets.made(Hybrid, 16, **SMALL | {"attention_stages": attention_stages}).net
    found = {layer.name.partition("_")[0] for layer in net.layers if isinstance(layer, SelfAttention)}
    assert found == {f"stage{2 - number}" for number in range(attention_stages)}
    assert np.isfinite(net(nets.images(16))).all()


def test_small_pictures_keep_their_size_in_the_stem() -> None:
    assert nets.made(Hybrid, 28, **SMALL).net.get_layer("stage2_block0_attention").grid == (7, 7)
    assert nets.made(Hybrid, 28, stem_strides=2, **SMALL | {"stages": (2, 1, 1)}).net.get_layer("stage2_block0_attention").grid == (4, 4)
    assert HybridOptions().chosen() == {"stem_strides": Chosen("1 below 64 px, else 2")}
    assert HybridOptions(stem_strides=1).chosen() == {}


def test_survival_falls_to_that_of_the_last_block() -> None:
    net = nets.made(Hybrid, 16, survival=0.4, **SMALL).net
    survival = [layer.survival for layer in net.layers if isinstance(layer, StochasticDepth)]
    assert survival == pytest.approx([0.8, 0.6, 0.6, 0.4, 0.4])


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ({"widths": (4, 16)}, ("model.widths", "2 values for 3 stages; give one for each stage")),
        ({"attention_stages": 3, "head_width": 4}, ("model.attention_stages", "3 of 2 stages after the stem; use at most 2")),
        ({"head_width": 3}, ("model.head_width", "3 does not divide the width 16; use a divisor such as 2")),
        ({"activation": "maxout"}, ("model.activation", "maxout halves the channels, which depthwise convolutions can't follow; use gelu")),
    ],
)
def test_what_does_not_fit_is_told(model: dict, fault: tuple[str, str]) -> None:
    assert Hybrid.check(nets.recipe(Hybrid, 32, **SMALL | model)) == [fault]
    assert Hybrid.check(nets.recipe(Hybrid, 32, **SMALL)) == []
