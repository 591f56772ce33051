"""Bodies of keras.applications and keras-hub under our head."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest

from kvision.core.errors import UsageError
from kvision.engine import pretrained
from kvision.layers import normalization
from kvision.systems.classification import _keras_weights, backbone
from kvision.systems.classification.backbone import Backbone
from tests.unit.systems.classification import nets

if TYPE_CHECKING:
    from pathlib import Path

SMALL = {"name": "MobileNet", "arguments": {"alpha": 0.25}}


def scattered(net: keras.Model) -> None:
    """Random weights, variances above 0."""
    generator = np.random.default_rng(1)
    for variable in net.weights:
        variable.assign(generator.uniform(0.5, 1.5, variable.shape) if "variance" in variable.path else 0.1 * generator.normal(size=variable.shape))


def features(net: keras.Model) -> np.ndarray:
    return np.asarray(keras.Model(net.input, net.get_layer("mean").output)(nets.images(32)))


def test_a_body_of_keras_applications_says_what_it_said_there() -> None:
    net = nets.made(Backbone, 32, **SMALL).net
    theirs = keras.applications.MobileNet(alpha=0.25, include_top=False, weights=None, input_shape=(32, 32, 3))
    scattered(theirs)
    left = pretrained.put({"net": net}, pretrained.Pretrained(_keras_weights.carried(theirs, net), "theirs", ("net/logits/",)))
    assert left == ["net/logits/kernel", "net/logits/bias"]
    np.testing.assert_allclose(features(net), np.asarray(theirs(nets.images(32))).mean((1, 2)), rtol=1e-4, atol=1e-6)


def test_its_normalisations_are_ours_and_its_names_do_not_depend_on_the_views() -> None:
    net, of_views = (nets.made(Backbone, 32, tta=tta, **SMALL).net for tta in ("none", "flip"))
    assert any(isinstance(layer, normalization.BatchNormalization) for layer in net.layers)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in net.layers)
    assert [variable.path for variable in of_views.weights] == [variable.path for variable in net.weights]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "MobileNetV9"}, r"keras.applications has no MobileNetV9; it has .*VGG16.*; did you mean \"MobileNetV2\"\?"),
        ({"name": "EfficientNetB3"}, r"use system: classification/efficientnet with model.variant=b3, which computes the same"),
        (
            {"name": "MobileNet", "arguments": {"alfa": 1}},
            r"takes no alfa; it takes alpha, depth_multiplier, dropout; did you mean \"alpha\"\?",
        ),
        ({"name": "VGG16", "arguments": {"alpha": 1}}, r"VGG16 takes no alpha; it takes none"),
        (
            {"name": "VGG16", "size": 16},
            r"pictures of 16 px: Computed output size would be zero or negative.*; use a larger data.size_px",
        ),
    ],
)
def test_what_can_not_be_is_said(options: dict[str, Any], message: str) -> None:
    size_px = options.pop("size", 32)
    with pytest.raises(UsageError, match=message):
        nets.made(Backbone, size_px, **options)


def test_every_function_has_the_colours_of_its_weights() -> None:
    names = [name for name in dir(keras.applications) if name[0].isupper() and not name.startswith("EfficientNetB")]
    found = {name: next(key for key, starts in backbone._COLOURS.items() if name.startswith(starts)) for name in names}
    assert {found["ResNet50V2"], found["MobileNetV3Small"], found["Xception"]} == {"tf"}
    assert {found["ResNet50"], found["VGG19"]} == {"caffe"}
    assert {found["ConvNeXtBase"], found["EfficientNetV2B0"], found["DenseNet201"]} == {"torch"}
    assert found["EfficientNetV2S"] == "middle"


def test_a_preset_of_keras_hub_says_what_it_said_there_and_without_its_weights_that_they_are_missing(tmp_path: Path) -> None:
    hub = pytest.importorskip("keras_hub")
    theirs = hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64],
        stackwise_num_blocks=[1, 1],
        stackwise_num_strides=[1, 2],
        block_type="basic_block",
        image_shape=(None, None, 3),
    )
    scattered(theirs)
    theirs.save_to_preset(str(tmp_path / "preset"))
    system = nets.made(Backbone, 32, library="keras_hub", name=str(tmp_path / "preset"), weights="imagenet")
    assert pretrained.put(system.networks, system.pretrained(tmp_path)) == ["net/logits/kernel", "net/logits/bias"]
    np.testing.assert_allclose(features(system.net), np.asarray(theirs(nets.images(32))).mean((1, 2)), rtol=1e-4, atol=1e-6)
    (tmp_path / "preset" / "model.weights.h5").unlink()
    with pytest.raises(UsageError, match=rf"keras-hub can't give the preset {tmp_path / 'preset'}: .*model\.weights.* doesn't exist"):
        system.pretrained(tmp_path)


def test_a_preset_that_is_not_there_is_said() -> None:
    pytest.importorskip("keras_hub")
    with pytest.raises(UsageError, match=r"keras-hub can't give the preset no_such_net: .*; presets are downloaded once, without a network give"):
        nets.made(Backbone, 32, library="keras_hub", name="no_such_net")


def test_without_a_network_a_preset_that_must_be_downloaded_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("keras_hub")

    def no_network(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    with pytest.raises(UsageError, match=r"can't give the preset resnet_18_imagenet: .*kaggle\.com.*; presets are downloaded once"):
        nets.made(Backbone, 32, library="keras_hub", name="resnet_18_imagenet", weights="imagenet")
