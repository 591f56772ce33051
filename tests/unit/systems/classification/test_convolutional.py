"""Sliding classifiers: equal at the training size, equal to each window where nothing is padded, and refused where a layer is bound to its size."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from kvision.core.errors import UsageError
from kvision.systems.classification import _convolutional
from kvision.systems.classification._part import Classifier
from kvision.systems.classification.lenet import LeNet
from kvision.systems.classification.mobilenet import MobileNet
from kvision.systems.classification.resnet import ResNet
from kvision.systems.classification.vgg import VGG
from kvision.systems.classification.vit import ViT
from tests.unit.systems.classification import nets


def randomised(net: keras.Model) -> keras.Model:
    """All weights random, so that no bias, offset or slope can be forgotten."""
    generator = np.random.default_rng(1)
    for layer in net.layers:
        if layer.weights and not isinstance(layer, keras.layers.Dropout):
            layer.set_weights(
                [
                    generator.uniform(0.5, 1.5, each.shape)
                    if len(each.shape) == 1
                    else generator.normal(size=each.shape) / np.sqrt(np.prod(each.shape[:-1]))
                    for each in layer.weights
                ]
            )
    return net


def classifier(system: type[Classifier], size_px: int, **options: Any) -> keras.Model:
    return randomised(nets.made(system, size_px, 5, **options).net)


@pytest.mark.parametrize(
    ("system", "size_px", "options", "stride_px"),
    [
        (LeNet, 32, {"norm": "batch", "dropout": 0.3, "activation": "prelu"}, 4),
        (VGG, 32, {"depth": 11, "width": 0.125, "hidden": (16, 12)}, 32),
        (ResNet, 64, {"depth": 18, "width": 0.125, "stages": (1, 1, 1, 1)}, 32),
        (MobileNet, 32, {"alpha": 0.25, "stages": (1, 1, 1)}, 2),
        (MobileNet, 32, {"version": "v3_small", "alpha": 0.25, "stages": (1, 1)}, 2),
    ],
)
def test_at_the_training_size_it_is_the_classifier(system: type[Classifier], size_px: int, options: dict[str, Any], stride_px: int) -> None:
    net = classifier(system, size_px, **options)
    before, nodes = net.get_weights(), [len(layer._inbound_nodes) for layer in net.layers]
    found = _convolutional.sliding(net)
    x = nets.images(size_px) * np.array([[[[1.0]]], [[[9.0]]]], np.float32)
    right = np.asarray(net(x))
    assert np.ptp(right, axis=0).max() > 1e-3 * np.abs(right).max()
    np.testing.assert_allclose(np.asarray(found.net(x))[:, 0, 0], right, rtol=1e-4, atol=1e-5 * np.abs(right).max())
    assert (found.window_px, found.stride_px) == (size_px, stride_px)
    assert found.net(np.zeros((1, size_px + 2 * stride_px, size_px + stride_px, 3), np.float32)).shape == (1, 3, 2, 5)
    for ours, old in zip(net.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, old)
    assert [len(layer._inbound_nodes) for layer in net.layers] == nodes


def valid(size_px: int, head: str) -> keras.Model:
    """Convolutions and poolings without padding, with a residual, and a mean or a flattened map before the logits."""
    image = keras.Input((size_px, size_px, 3), name="image")
    x = keras.layers.Conv2D(6, 3, strides=2, activation="relu", name="conv1")(image)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.Add(name="add")([x, keras.layers.Conv2D(6, 1, name="conv2")(x)])
    if head == "mean":
        x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    else:
        x = keras.layers.Dense(7, activation="tanh", name="hidden")(keras.layers.Dropout(0.5)(keras.layers.Flatten(name="flat")(x)))
        x = keras.layers.BatchNormalization(name="norm")(x)
    return randomised(keras.Model(image, keras.layers.Dense(5, name="logits")(x), name="small"))


@pytest.mark.parametrize("head", ["mean", "flat"])
def test_without_padding_each_place_is_what_the_classifier_says_of_its_window(head: str) -> None:
    size_px, net = 19, valid(19, head)
    found = _convolutional.sliding(net)
    assert found.stride_px == 4
    picture = nets.images(40, 1)[:, :31]
    logits = np.asarray(found.net(picture))
    assert logits.shape == (1, 4, 6, 5)
    windows = np.concatenate([picture[:, 4 * i : 4 * i + size_px, 4 * j : 4 * j + size_px] for i in range(4) for j in range(6)])
    np.testing.assert_allclose(logits.reshape(-1, 5), net(windows), rtol=1e-4, atol=1e-5)
    assert np.ptp(logits, axis=(0, 1, 2)).min() > 0.01


def test_lenet_slides_exactly_and_same_padding_does_not() -> None:
    net = classifier(LeNet, 32)
    x = nets.images(40, 1)
    np.testing.assert_allclose(np.asarray(_convolutional.sliding(net).net(x))[0, 2, 1], net(x[:, 8:40, 4:36])[0], rtol=1e-4, atol=1e-5)
    padded = classifier(ResNet, 32, depth=8)
    found, own = np.asarray(_convolutional.sliding(padded).net(x))[0, 1, 1], np.asarray(padded(x[:, 4:36, 4:36]))[0]
    assert np.abs(found - own).max() > 1e-3 * np.abs(own).max()  # the module's deviation: the window sees its neighbours, not zeros


@pytest.mark.parametrize(
    ("system", "size_px", "options", "said"),
    [
        (
            ViT,
            16,
            {"patch_px": 4, "width": 12, "heads": 3, "depth": 1},
            r"vit can't slide .*: its layer tokens \(Reshape\) gives no map;",
        ),
        (ResNet, 32, {"depth": 8, "tta": "flip"}, r"its layer views \(Views\) makes several views of a picture \(model.tta=flip\)"),
        (
            VGG,
            32,
            {"depth": 11, "width": 0.125, "pooling": "fractional"},
            r"its layer pool1 \(FractionalMaxPooling2D\) needs a picture of fixed size",
        ),
    ],
)
def test_layers_that_are_bound_to_their_size_are_named(system: type[Classifier], size_px: int, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said + r".*such as classification/resnet, vgg, lenet and mobilenet; those with attention can't$"):
        _convolutional.sliding(nets.made(system, size_px, 5, **options).net)


def test_what_stands_between_a_flattened_map_and_units_must_not_see_places() -> None:
    image = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Flatten(name="flat")(image))
    with pytest.raises(UsageError, match=r"its layer norm \(BatchNormalization\) needs a picture of fixed size"):
        _convolutional.sliding(keras.Model(image, keras.layers.Dense(2)(x)))
