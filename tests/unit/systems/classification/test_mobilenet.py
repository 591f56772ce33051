"""MobileNet: equal to keras.applications with the same weights, its published sizes, and small pictures."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kvision.systems.classification.mobilenet import MobileNet
from tests.unit.systems.classification import nets

APPLICATIONS = {
    "v1": keras.applications.MobileNet,
    "v2": keras.applications.MobileNetV2,
    "v3_small": keras.applications.MobileNetV3Small,
    "v3_large": keras.applications.MobileNetV3Large,
}


def reference(version: str, **options: Any) -> keras.Model:
    extra = {"include_preprocessing": False} if version.startswith("v3") else {}
    return APPLICATIONS[version](weights=None, classifier_activation=None, **extra, **options)


@pytest.mark.parametrize(
    ("version", "options"),
    [("v1", {"alpha": 0.25}), ("v2", {"alpha": 0.35}), ("v3_small", {"alpha": 0.75}), ("v3_large", {"alpha": 0.5, "minimalistic": True})],
)
def test_outputs_equal_keras_applications_with_its_weights(version: str, options: dict[str, Any]) -> None:
    theirs = reference(version, input_shape=(64, 64, 3), classes=7, **options)
    ours = nets.made(MobileNet, 64, 7, version=version, **options).net
    nets.copied(theirs, ours)
    x = nets.images(64)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-5 * np.abs(theirs(x)).max())


@pytest.mark.parametrize(("version", "expected"), [("v1", 4_253_864), ("v2", 3_538_984), ("v3_small", 2_554_968), ("v3_large", 5_507_432)])
def test_the_parameters_are_the_published_ones(version: str, expected: int) -> None:
    assert nets.made(MobileNet, 224, 1000, version=version, initializer="zeros").net.count_params() == expected


def sides(net: keras.Model) -> list[int]:
    return [
        layer.output.shape[1]
        for layer in net.layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D) and layer.strides[0] == 2
    ]


@pytest.mark.parametrize("version", ["v1", "v2", "v3_small"])
def test_small_pictures_are_halved_three_times_not_five(version: str) -> None:
    assert sides(nets.made(MobileNet, 28, version=version, alpha=0.25).net) == [14, 7, 4]


def test_the_stem_can_be_chosen() -> None:
    assert sides(nets.made(MobileNet, 64, version="v1", alpha=0.25).net) == [32, 16, 8, 4, 2]
    assert sides(nets.made(MobileNet, 64, version="v1", alpha=0.25, stem="cifar").net) == [32, 16, 8]


def test_the_recipe_s_net_for_fashion_mnist_is_small() -> None:
    from kvision import catalog

    options = catalog.load(catalog.recipe_of("classification/mobilenet")).recipe.model
    net = nets.made(MobileNet, 28, 10, **options.model_dump(exclude_unset=True)).net
    assert net.count_params() < 300_000


def test_an_activation_of_one_s_own_is_taken_everywhere() -> None:
    net = nets.made(MobileNet, 32, version="v3_small", alpha=0.25, activation="elu", last=9).net
    named = {layer.get_config()["activation"] for layer in net.layers if isinstance(layer, keras.layers.Activation)}
    assert named == {"elu"}
    assert not [layer for layer in net.layers if isinstance(layer, keras.layers.ReLU)]
    assert net.get_layer("logits").kernel.shape == (9, 10)


def test_what_stands_open_is_told() -> None:
    open_of = {
        version: {key: choice.value for key, choice in MobileNet.Options(version=version, alpha=1.4).chosen().items()} for version in APPLICATIONS
    }
    assert open_of["v1"] == {"stages": [1, 2, 2, 6, 2], "activation": "relu6", "stem": None}
    assert open_of["v2"] == {"stages": [1, 2, 3, 4, 3, 3, 1], "activation": "relu6", "last": 1792, "stem": None}
    assert open_of["v3_small"] == {"stages": [1, 2, 3, 2, 3], "activation": "relu, hard_silu", "last": 1432, "stem": None}
    assert MobileNet.Options(version="v3_large", minimalistic=True).used("activation") == "relu"


@pytest.mark.parametrize("version", ["v1", "v2", "v3_small"])
def test_stages_can_be_shorter_and_fewer(version: str) -> None:
    net = nets.made(MobileNet, 32, version=version, alpha=0.25, stages=(1, 1)).net
    assert len([layer for layer in net.layers if isinstance(layer, keras.layers.DepthwiseConv2D)]) == 2


def test_more_stages_and_blocks_than_there_are_are_refused() -> None:
    many = MobileNet.check(nets.recipe(MobileNet, 32, version="v3_small", stages=(1,) * 6))
    assert many == [("model.stages", "6 values, but version=v3_small has 5 stages; give no more than those")]
    more = MobileNet.check(nets.recipe(MobileNet, 32, version="v3_small", stages=(1, 3)))
    assert more == [("model.stages", "[1, 3] is more than the blocks that version=v3_small has, [1, 2, 3, 2, 3]; give fewer")]
    assert MobileNet.check(nets.recipe(MobileNet, 32, version="v2", stages=(2, 3))) == []


def test_options_without_effect_are_refused() -> None:
    def problems(**model: Any) -> list[tuple[str, str]]:
        return MobileNet.check(nets.recipe(MobileNet, 32, **model))

    assert problems(version="v3_small", minimalistic=True, last=64) == []
    assert problems(minimalistic=True) == [("model.minimalistic", "true has no effect on version=v2; take it out, or use v3_small or v3_large")]
    assert problems(version="v1", last=64) == [("model.last", "64 has no effect on version=v1, whose last block gives the features; take it out")]
    assert problems(activation="maxout")[0][1] == "maxout halves the channels, which depthwise convolutions can't follow; use relu6"
