"""Swin: its published sizes, where its windows are shifted, and the options that don't fit each other."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers.stochastic_depth import StochasticDepth
from kvision.layers.windows import WindowAttention
from kvision.systems.classification.swin import Swin
from tests.unit.systems.classification import nets

SMALL = {"patch_px": 2, "width": 8, "stages": (2, 2), "head_width": 4, "window": 4}


def attention(net: keras.Model) -> list[WindowAttention]:
    return [layer for layer in net.layers if isinstance(layer, WindowAttention)]


@pytest.mark.parametrize(
    ("model", "expected"),
    [({}, 28_288_354), ({"stages": (2, 2, 18, 2)}, 49_606_258), ({"stages": (2, 2, 18, 2), "width": 128}, 87_768_224)],
    ids=["T", "S", "B"],
)
def test_the_parameters_are_the_published_ones(model: dict, expected: int) -> None:
    # One block a stage is made and counted as often as there are blocks; the others are like it.
    stages = model.get("stages", (2, 2, 6, 2))
    net = nets.made(Swin, 224, 1000, initializer="zeros", **model | {"stages": (1, 1, 1, 1)}).net
    blocks = [sum(layer.count_params() for layer in net.layers if layer.name.startswith(f"stage{stage}_block0")) for stage in range(4)]
    assert net.count_params() + sum((count - 1) * block for count, block in zip(stages, blocks, strict=True)) == expected


def test_every_other_block_is_shifted_until_one_window_is_the_whole_map() -> None:
    net = nets.made(Swin, 32, **SMALL | {"stages": (3, 2, 2)}).net
    assert [(layer.side, layer.shift, layer.output.shape[1]) for layer in attention(net)] == [
        *((4, shift, 16) for shift in (0, 2, 0)),
        *((4, shift, 8) for shift in (0, 2)),
        *((4, 0, 4) for _ in range(2)),
    ]
    assert [layer.num_heads for layer in attention(net)] == [2, 2, 2, 4, 4, 8, 8]


def test_survival_falls_to_that_of_the_last_block() -> None:
    net = nets.made(Swin, 16, survival=0.6, **SMALL).net
    assert [layer.survival for layer in net.layers if isinstance(layer, StochasticDepth)][::2] == pytest.approx([0.9, 0.8, 0.7, 0.6])


@pytest.mark.parametrize("shifted", [True, False])
def test_windows_meet_only_where_they_are_shifted(shifted: bool) -> None:
    net = nets.made(Swin, 32, shifted=shifted, **SMALL | {"stages": (2,), "window": 8}).net
    probe = keras.Model(net.input, net.get_layer("last_norm").output)
    x = tf.constant(nets.images(32, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.square(probe(x)[0, 7, 7]))
    touched = np.abs(tape.gradient(y, x)[0].numpy()).max(axis=-1) > 0
    assert touched[:16, :16].all()  # its own window: 8 cells of 2 px
    assert touched[16:].any() == shifted


@pytest.mark.parametrize(
    ("size_px", "model", "fault"),
    [
        (32, {"head_width": 5}, ("model.head_width", "5 does not divide width=8; use a divisor such as 4")),
        (
            28,
            {"stages": (1, 1, 1, 1)},
            (
                "model.stages",
                "4 stages of patches of 2 px need a size_px that is a multiple of 16, not 28; use fewer stages, or smaller patches",
            ),
        ),
        (28, {"window": 4}, ("model.window", "4 does not divide the map of 14 x 14 in stage 0; use a divisor such as 2")),
    ],
)
def test_what_does_not_fit_is_told(size_px: int, model: dict, fault: tuple[str, str]) -> None:
    assert Swin.check(nets.recipe(Swin, size_px, **SMALL | model)) == [fault]


def test_the_defaults_fit() -> None:
    assert Swin.check(nets.recipe(Swin, 224)) == []
