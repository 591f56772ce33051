"""The U-Net: every make of it builds and learns, its size is the published one, and recipes that can't be built are told why."""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.data.source import DataInfo
from kvision.systems.segmentation.unet import UNet, UNetOptions
from tests.unit.systems.segmentation import examples

UPSAMPLINGS = get_args(UNetOptions.model_fields["upsampling"].annotation)
NORMS = get_args(UNetOptions.model_fields["norm"].annotation)


@pytest.mark.parametrize(("upsampling", "norm"), list(itertools.product(UPSAMPLINGS, NORMS)))
def test_every_upsampling_and_norm_trains(upsampling: str, norm: str) -> None:
    system = examples.unet(filters=(2, 4, 4), upsampling=upsampling, norm=norm)
    batch = examples.batch()
    before = [variable.numpy() for variable in system.net.trainable_variables]
    optimizer = keras.optimizers.SGD(0.1)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(system.example_losses(batch))
    gradients = tape.gradient(loss, [variable.value for variable in system.net.trainable_variables])
    optimizer.apply(gradients, system.net.trainable_variables)
    assert system.net.output_shape == (None, 8, 8, 3)
    assert np.isfinite(float(loss))
    for old, variable in zip(before, system.net.trainable_variables, strict=True):
        assert np.isfinite(variable.numpy()).all()
        assert (old != variable.numpy()).any(), variable.path


def test_the_parameters_are_those_of_the_published_network() -> None:
    # 64 to 1024 filters, 3 channels in, 1 class: 31,037,633 with batch normalisation (milesial/Pytorch-UNet prints the same).
    one_class = DataInfo(("cell",), ((255, 255, 255),), frozenset({"image", "mask"}))
    net = examples.unet(16, info=one_class, filters=None, width=64, depth=4).net
    assert sum(int(np.prod(variable.shape)) for variable in net.trainable_variables) == 31_037_633


def test_filters_take_the_place_of_width_and_depth() -> None:
    assert UNetOptions().levels == (32, 64, 128, 256)
    assert UNetOptions(width=8, depth=2).levels == (8, 16, 32)
    assert UNetOptions(width=8, depth=2, filters=(3, 5)).levels == (3, 5)
    widths = [layer.filters for layer in examples.unet(filters=(3, 5)).net.layers if layer.name.endswith("a_conv")]
    assert widths == [3, 5, 3]


def test_without_skips_the_decoder_sees_the_bottom_only() -> None:
    joined, control = examples.unet(), examples.unet(skips=False)
    assert [layer.name for layer in joined.net.layers if layer.name.startswith("skip")] == ["skip0"]
    assert [layer.name for layer in control.net.layers if layer.name.startswith("skip")] == []
    # The decoder's first convolution loses the 2 channels of the encoder.
    assert joined.net.count_params() - control.net.count_params() == 3 * 3 * 2 * 2


def test_the_norm_decides_on_the_bias() -> None:
    for norm, bias in (("batch", False), ("group", False), ("none", True)):
        assert examples.unet(norm=norm).net.get_layer("bottoma_conv").use_bias is bias


def test_groups_divide_the_filters() -> None:
    net = examples.unet(filters=(6, 16), norm="group").net
    assert [net.get_layer(f"{name}a_norm").groups for name in ("encoder0", "bottom")] == [2, 8]


def test_dropout_stands_at_the_bottom_and_only_in_training() -> None:
    system, image = examples.unet(dropout=0.5), examples.batch()["image"]
    assert [layer.name for layer in system.net.layers if "dropout" in layer.name] == ["bottom_dropout"]
    system.net.get_layer("bottoma_norm").trainable = False
    np.testing.assert_array_equal(system.net(image, training=False), system.net(image, training=False))
    assert (system.net(image, training=True).numpy() != system.net(image, training=True).numpy()).any()


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_logits_and_variables_are_float32_in_mixed_precision(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    net = examples.unet().net
    assert net.get_layer("encoder0a_conv").compute_dtype == policy.removeprefix("mixed_")
    assert net(examples.batch()["image"]).dtype == tf.float32
    assert {variable.dtype for variable in net.variables} == {"float32"}


@pytest.mark.parametrize(
    ("size_px", "model", "expected"),
    [
        (128, {"depth": 8}, ("model.depth", "8 does not divide size_px=128 by 2**8; use depth <= 7 or a size_px that is a multiple of 256")),
        (92, {"depth": 3}, ("model.depth", "3 does not divide size_px=92 by 2**3; use depth <= 2 or a size_px that is a multiple of 8, such as 96")),
        (101, {"depth": 1}, ("model.depth", "1 does not divide size_px=101 by 2**1; use a size_px that is a multiple of 2, such as 100")),
        (
            36,
            {"filters": (8, 8, 8, 8)},
            ("model.filters", "3 does not divide size_px=36 by 2**3; use levels <= 3 or a size_px that is a multiple of 8, such as 32"),
        ),
    ],
)
def test_a_depth_that_does_not_divide_the_size_is_told_the_next_valid_ones(size_px: int, model: dict, expected: tuple[str, str]) -> None:
    assert UNet.check(examples.recipe(size_px, **model)) == [expected]


def test_the_advice_of_the_message_is_good() -> None:
    assert UNet.check(examples.recipe(92, depth=2)) == []
    assert UNet.check(examples.recipe(96, depth=3)) == []
    assert UNet.check(examples.recipe(36, filters=(8, 8, 8))) == []


def test_a_network_beyond_all_memory_is_refused() -> None:
    problems = UNet.check(examples.recipe(1024, width=64, depth=9))
    assert problems == [("model.width", "64 doubled 9 times makes 32768 filters, of at most 8192; use less width or depth")]


def test_importing_the_system_does_not_import_tensorflow() -> None:
    code = "import sys, kvision.systems.segmentation.unet; sys.exit(any(m in sys.modules for m in ('tensorflow', 'keras', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
