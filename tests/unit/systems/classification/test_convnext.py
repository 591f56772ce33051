"""ConvNeXt: equal to keras.applications with the same weights, its published sizes, and the options that don't fit each other."""

from __future__ import annotations

import numpy as np
import pytest
from keras.src.applications.convnext import ConvNeXt as Reference

from kvision.layers.scale import LayerScale
from kvision.layers.stochastic_depth import StochasticDepth
from kvision.systems.classification.convnext import ConvNeXt
from tests.unit.systems.classification import nets

SMALL = {"stages": (1, 2, 1, 1), "widths": (4, 8, 12, 16)}


def test_outputs_equal_keras_applications_with_its_weights() -> None:
    # The private maker takes any size; the public ones differ from it in their numbers alone.
    theirs = Reference(
        depths=SMALL["stages"], projection_dims=SMALL["widths"], include_preprocessing=False, input_shape=(64, 64, 3), weights=None, classes=7,
        classifier_activation=None, name="reference",
    )  # fmt: skip
    ours = nets.made(ConvNeXt, 64, 7, **SMALL).net
    nets.copied(theirs, ours)
    x = nets.images(64)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-5 * np.abs(theirs(x)).max())
    assert np.ptp(theirs(x)) > 0.1


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({}, 28_589_128),  # keras.applications, torchvision
        ({"stages": (3, 3, 27, 3)}, 50_223_688),
        ({"stages": (3, 3, 27, 3), "widths": (128, 256, 512, 1024)}, 88_591_464),
    ],
    ids=["T", "S", "B"],
)
def test_the_parameters_are_the_published_ones(model: dict, expected: int) -> None:
    # One block a stage is made and counted as often as there are blocks; the others are like it.
    stages = model.get("stages", (3, 3, 9, 3))
    net = nets.made(ConvNeXt, 32, 1000, initializer="zeros", **model | {"stages": (1, 1, 1, 1)}).net
    blocks = [sum(layer.count_params() for layer in net.layers if layer.name.startswith(f"stage{stage}_block0")) for stage in range(4)]
    assert net.count_params() + sum((count - 1) * block for count, block in zip(stages, blocks, strict=True)) == expected


def test_layer_scale_and_survival() -> None:
    net = nets.made(ConvNeXt, 32, survival=0.5, layer_scale=1e-3, **SMALL).net
    assert [layer.initial for layer in net.layers if isinstance(layer, LayerScale)] == [1e-3] * 5
    survival = [layer.survival for layer in net.layers if isinstance(layer, StochasticDepth)]
    assert survival == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5])
    assert not any(isinstance(layer, LayerScale) for layer in nets.made(ConvNeXt, 32, layer_scale=0, **SMALL).net.layers)


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ({"widths": (4, 8)}, ("model.widths", "2 values for 4 stages; give one for each stage")),
        ({"patch_px": 8}, ("model.stages", "4 stages need 64 px, but size_px=32; use fewer stages, or a smaller patch_px")),
    ],
)
def test_what_does_not_fit_is_told(model: dict, fault: tuple[str, str]) -> None:
    assert ConvNeXt.check(nets.recipe(ConvNeXt, 32, **SMALL | model)) == [fault]
