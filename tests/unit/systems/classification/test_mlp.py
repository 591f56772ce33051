"""The multilayer perceptron: its size, its options, and settings without effect that are refused."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from sklearn.decomposition import PCA

from kvision.systems.classification.mlp import MLP
from tests.unit.systems.classification import nets


def test_parameters_by_hand() -> None:
    units = (28 * 28 * 3, 256, 128, 100, 10)
    expected = sum((before + 1) * after for before, after in itertools.pairwise(units))
    assert nets.made(MLP, 28).net.count_params() == expected == 649_174


def test_without_hidden_layers_it_is_a_linear_classifier() -> None:
    net, x = nets.made(MLP, 8, hidden=()).net, nets.images(8)
    kernel, bias = (each.numpy() for each in net.weights)
    np.testing.assert_allclose(net(x), x.reshape(2, -1) @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_each_option_reaches_every_hidden_layer() -> None:
    net = nets.made(MLP, 8, hidden=(6, 5), dropout=0.2, dropconnect=0.3, max_norm=3.0, activation="elu", initializer="orthogonal").net
    assert [layer.name for layer in net.layers if isinstance(layer, keras.layers.Dropout)] == ["hidden0_dropout", "dropout"]
    for number in range(2):
        layer = net.get_layer(f"hidden{number}")
        assert (layer.rate, layer.kernel_constraint.max_value) == (0.3, 3.0)
        assert isinstance(layer.kernel_initializer, keras.initializers.Orthogonal)
        assert net.get_layer(f"hidden{number}_act").activation is keras.activations.elu


def test_maxout_takes_the_greater_of_two_linear_maps() -> None:
    net, x = nets.made(MLP, 8, hidden=(3,), activation="maxout").net, nets.images(8)
    kernel, bias, last, last_bias = (each.numpy() for each in net.weights)
    first, second = np.split(x.reshape(2, -1) @ kernel + bias, 2, axis=1)
    np.testing.assert_allclose(net(x), np.maximum(first, second) @ last + last_bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tta", ["none", "flip"])
def test_the_first_layer_sees_whitened_pixels(tta: str) -> None:
    system, x = nets.made(MLP, 8, whiten="pca", components=5, tta=tta), nets.images(8, 300)
    system.fit(lambda split: iter([{"image": x[:128]}, {"image": x[128:]}]) if split == "train" else iter(()))
    seen = keras.Model(system.net.input, system.net.get_layer("hidden0").input)(x, training=True)
    np.testing.assert_allclose(np.abs(seen), np.abs(PCA(5, whiten=True).fit_transform(x.reshape(300, 192))), rtol=1e-2, atol=1e-3)
    assert next(variable.path for variable in system.trainables()["net"]).startswith("hidden0")


def test_a_whitening_that_came_with_weights_is_kept() -> None:
    system, x = nets.made(MLP, 8, whiten="zca", weights="runs/other"), nets.images(8, 9)
    before = system.net.get_weights()
    system.fit(lambda split: iter([{"image": x}]))
    np.testing.assert_equal(system.net.get_weights(), before)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"norm": "instance"}, ("model.norm", "instance is the norm of a channel's picture, and a unit has but one value; use layer or batch")),
        ({"components": 3}, ("model.components", "3 has no effect on whiten=none; take it out, or use whiten=pca or zca")),
        ({"hidden": (), "max_norm": 2.0}, ("model.max_norm", "2.0 has no effect without model.hidden; take it out")),
        ({"hidden": (), "dropconnect": 0.5}, ("model.dropconnect", "0.5 has no effect without model.hidden; take it out")),
    ],
)
def test_options_without_effect_are_refused(model: dict, expected: tuple[str, str]) -> None:
    assert MLP.check(nets.recipe(MLP, 8, **model)) == [expected]
    assert MLP.check(nets.recipe(MLP, 8)) == []
