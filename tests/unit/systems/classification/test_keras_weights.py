"""Published weights: which function each system asks for, colours as its own preprocessing has them, and what is said without a network."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.applications import imagenet_utils  # where the functions of all networks' preprocessing are made

from kvision.core.errors import UsageError
from kvision.engine import pretrained
from kvision.layers.neighbours import NearestNeighbours
from kvision.layers.normalization import BatchNormalization
from kvision.systems.classification import _keras_weights
from kvision.systems.classification.mobilenet import MobileNet
from tests.unit.systems.classification import nets


@pytest.mark.parametrize(
    ("path", "model", "expected"),
    [
        ("vgg.VGG", {"depth": 16}, ("VGG16", "caffe", {"include_top": True})),
        ("vgg.VGG", {"depth": 19, "hidden": ()}, ("VGG19", "caffe", {"include_top": False})),
        ("resnet.ResNet", {"depth": 101, "bias": True, "stride_in": "1x1"}, ("ResNet101", "caffe", {})),
        ("resnet.ResNet", {"depth": 152, "bias": True, "preactivation": True, "stride_at": "last"}, ("ResNet152V2", "tf", {})),
        ("densenet.DenseNet", {"depth": 169}, ("DenseNet169", "torch", {})),
        ("inception.Inception", {}, ("InceptionV3", "tf", {})),
        ("convnext.ConvNeXt", {"stages": (3, 3, 27, 3), "widths": (128, 256, 512, 1024)}, ("ConvNeXtBase", "torch", {})),
        ("efficientnet.EfficientNet", {"variant": "b4"}, ("EfficientNetB4", "torch", {})),
        ("mobilenet.MobileNet", {"version": "v1", "alpha": 0.5}, ("MobileNet", "tf", {"alpha": 0.5})),
        ("mobilenet.MobileNet", {"version": "v2", "alpha": 1.4}, ("MobileNetV2", "tf", {"alpha": 1.4})),
        (
            "mobilenet.MobileNet",
            {"version": "v3_small", "minimalistic": True},
            ("MobileNetV3Small", "tf", {"alpha": 1.0, "minimalistic": True, "input_shape": (224, 224, 3)}),
        ),
    ],
)
def test_each_system_asks_for_its_own(path: str, model: dict[str, Any], expected: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def applications(name: str, net: Any, colours: str, **options: Any) -> Any:
        assert callable(getattr(keras.applications, name))
        return name, colours, options

    monkeypatch.setattr(_keras_weights, "applications", applications)
    assert unbuilt(path, **model).imagenet() == expected


def unbuilt(path: str, **model: Any) -> Any:
    """A system without its network, which costs seconds."""
    module, name = path.split(".")
    kind = getattr(import_module(f"kvision.systems.classification.{module}"), name)
    system = kind.__new__(kind)
    system.recipe, system.networks = nets.recipe(kind, 224, **model), {"net": None}
    return system


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("vgg.VGG", {"depth": 11}),
        ("resnet.ResNet", {"depth": 18}),
        ("resnet.ResNet", {"depth": 50, "groups": 32}),
        ("densenet.DenseNet", {"depth": 161}),
        ("convnext.ConvNeXt", {"stages": (1, 1), "widths": (8, 8)}),
    ],
)
def test_others_have_none(path: str, model: dict[str, Any]) -> None:
    with pytest.raises(
        UsageError, match="no ImageNet weights are known for classification/any with these options; give a run's folder or a file of weights"
    ):
        unbuilt(path, **model).imagenet()


def test_options_that_the_weights_were_trained_with_are_named() -> None:
    with pytest.raises(UsageError, match=r"imagenet: these were trained with other options; set model.bias=true model.stride_in=1x1$"):
        unbuilt("resnet.ResNet", depth=50).imagenet()
    for path in ("efficientnet.EfficientNet", "mobilenet.MobileNet"):
        with pytest.raises(UsageError, match=r"set model.padding=same$"):
            unbuilt(path, padding="even").imagenet()
    with pytest.raises(UsageError, match=r"set model.stride_at=last$"):
        unbuilt("resnet.ResNet", depth=50, preactivation=True, bias=True).imagenet()


def pair() -> tuple[keras.Model, keras.Model]:
    """A network as keras.applications writes it, and ours."""
    given = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(given)
    x = keras.layers.BatchNormalization(epsilon=1e-3, scale=False)(x)
    x = keras.Sequential([keras.layers.Conv2D(4, 3, groups=4)], name="inner")(x)
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    theirs = keras.Model(given, keras.layers.Flatten()(keras.layers.Conv2D(5, 1)(x)), name="theirs")
    image = keras.Input((8, 8, 3), name="image")
    x = BatchNormalization(epsilon=1e-5, name="norm")(keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(image))
    x = keras.layers.GlobalAveragePooling2D(name="mean")(keras.layers.DepthwiseConv2D(3, name="depthwise")(x))
    return theirs, keras.Model(image, keras.layers.Dense(5, name="logits")(x), name="ours")


@pytest.mark.parametrize("mode", ["torch", "tf", "caffe"])
def test_pictures_go_in_as_the_function_s_own_preprocessing_has_them(mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs, ours = pair()
    generator = np.random.default_rng(0)
    for layer in _keras_weights._layers(theirs):
        layer.set_weights([generator.uniform(0.1, 1.0, each.shape) for each in layer.weights])
    monkeypatch.setattr(keras.applications, "Ours", lambda weights: {"imagenet": theirs}[weights], raising=False)
    given = _keras_weights.applications("Ours", ours, mode)
    assert pretrained.put({"net": ours}, given) == []
    pixels = generator.integers(0, 256, (2, 8, 8, 3)).astype(np.float32)
    right = theirs(imagenet_utils.preprocess_input(pixels.copy(), data_format="channels_last", mode=mode))
    prepared = given.preprocess(nets.recipe(MobileNet, 8).data)
    assert prepared is not None
    np.testing.assert_allclose(ours(prepared.normalise(pixels)), right, rtol=1e-4)
    mirrored = np.abs(np.asarray(ours(prepared.normalise(pixels[..., ::-1]))) - np.asarray(right)).max()
    assert mirrored > 0.01 * np.abs(right).max()


def test_the_logits_alone_may_be_missing_or_other() -> None:
    theirs, ours = pair()
    headless = keras.Model(theirs.input, theirs.layers[-3].output)
    assert set(_keras_weights.carried(theirs, ours)) - set(_keras_weights.carried(headless, ours)) == {"net/logits/kernel", "net/logits/bias"}


def test_networks_of_other_layers_are_refused() -> None:
    theirs, ours = pair()
    shorter = keras.Model(ours.input, ours.get_layer("norm").output)
    with pytest.raises(UsageError, match="theirs has 4 layers with weights, this network 2; take out the options of model that change its layers"):
        _keras_weights.carried(theirs, shorter)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)  # with a bias
    other = keras.Model(image, keras.layers.Dense(5)(keras.layers.Dense(4)(keras.layers.Dense(4)(x))))
    with pytest.raises(UsageError, match="of theirs has 1 weights, conv here 2"):
        _keras_weights.carried(theirs, other)


def test_without_a_network_the_host_and_the_alternative_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: Any, **__: Any) -> None:
        raise Exception("URL fetch failure on https://storage.googleapis.com/x.h5: None -- [Errno -3] Temporary failure in name resolution")

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", fetch)
    for model, said in (({"alpha": 0.25}, "URL fetch failure on https://storage.googleapis.com/"), ({"alpha": 0.3}, "If imagenet weights")):
        with pytest.raises(UsageError) as caught:
            unbuilt("mobilenet.MobileNet", version="v1", **model).imagenet()
        words = str(caught.value)
        assert words.startswith(f"model.weights: keras.applications.MobileNet gives no ImageNet weights: {said}")
        assert "they are downloaded from https://storage.googleapis.com once and kept in ~/.keras/models" in words
        assert words.endswith("without a network give a run's folder or a file of weights")


def test_a_head_that_is_no_linear_layer_has_no_counterpart() -> None:
    def net(head: keras.layers.Layer) -> keras.Model:
        features = keras.Input((4,))
        return keras.Model(features, head(keras.layers.Dense(3, name="body")(features)))

    reference = net(keras.layers.Dense(2, name="predictions"))
    found = _keras_weights.carried(reference, net(NearestNeighbours(5, 2, 1, name="logits")))
    assert found.keys() == {"net/body/kernel", "net/body/bias"}
    np.testing.assert_array_equal(found["net/body/kernel"], reference.get_layer("body").kernel)
    assert "net/logits/kernel" in _keras_weights.carried(reference, net(keras.layers.Dense(2, name="logits")))
