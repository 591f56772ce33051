"""DenseNet: equal to keras.applications with the same weights, its published sizes, and layers that see all before them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.src.applications import densenet as reference  # the general network, of which keras.applications exports three

from kvision.systems.classification.densenet import DenseNet
from tests.unit.systems.classification import nets


def trained(net: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in net.trainable_variables)


def test_outputs_equal_keras_applications_with_its_weights() -> None:
    theirs = reference.DenseNet([2, 3, 2, 1], weights=None, input_shape=(64, 64, 3), classes=7, classifier_activation=None)
    ours = nets.made(DenseNet, 64, 7, stages=(2, 3, 2, 1)).net
    assert ours.count_params() == theirs.count_params()
    nets.copied(theirs, ours)
    x = nets.images(64)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-5 * np.abs(theirs(x)).max())


def test_the_parameters_are_those_of_keras_applications() -> None:
    assert nets.made(DenseNet, 32, 1000, stem="imagenet", initializer="zeros").net.count_params() == 8_062_504


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "expected"), [(169, 14_307_880), (201, 20_242_984)])
def test_the_parameters_of_the_deeper_ones(depth: int, expected: int) -> None:
    assert nets.made(DenseNet, 32, 1000, depth=depth, stem="imagenet", initializer="zeros").net.count_params() == expected


@pytest.mark.slow
def test_the_parameters_of_100_layers_are_those_of_table_2() -> None:
    assert trained(nets.made(DenseNet, 32, 10, depth=100).net) == 769_162


def test_the_network_for_cifar_halves_twice() -> None:
    net = nets.made(DenseNet, 32, depth=22, growth=4).net
    assert [net.get_layer(f"stage{stage}_layer2_concat").output.shape[1:] for stage in range(3)] == [(32, 32, 20), (16, 16, 22), (8, 8, 23)]
    convolutions = [layer for layer in net.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) + 1 == 22
    assert trained(net) < net.count_params()


def test_what_a_layer_sees_is_kept_for_all_after_it() -> None:
    net = nets.made(DenseNet, 16, stages=(3, 1), growth=4).net
    probe = keras.Model(net.input, [net.get_layer(f"stage0_layer{number}_concat").output for number in range(3)])
    first, second, third = (np.asarray(each) for each in probe(nets.images(16)))
    np.testing.assert_array_equal(third[..., :16], second)
    np.testing.assert_array_equal(second[..., :12], first)


def test_compression_and_norm() -> None:
    net = nets.made(DenseNet, 16, stages=(2, 1), growth=6, compression=0.3, norm="none").net
    assert net.get_layer("transition1_conv").filters == int(0.3 * (12 + 2 * 6))
    assert net.get_layer("stage0_layer0_a_conv").use_bias
    assert np.isfinite(net(nets.images(16))).all()


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"depth": 50}, ("model.depth", "50 is no depth; use 121, 161, 169, 201, 264, or 6 n + 4 such as 52")),
        (
            {"depth": 40, "activation": "maxout"},
            ("model.activation", "maxout halves the maps before each convolution, which here may be odd in number; use relu"),
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(model: dict, expected: tuple[str, str]) -> None:
    assert DenseNet.check(nets.recipe(DenseNet, 32, **model)) == [expected]
    assert DenseNet.check(nets.recipe(DenseNet, 32, depth=52)) == []
