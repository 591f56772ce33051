"""Inception v3: equal to keras.applications with the same weights, as many weights as torchvision's, and a form for small pictures."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from kvision.systems.classification.inception import Inception
from tests.unit.systems.classification import nets


def test_outputs_equal_keras_applications_with_its_weights() -> None:
    theirs = keras.applications.InceptionV3(weights=None, input_shape=(75, 75, 3), classifier_activation=None)
    ours = nets.made(Inception, 75, 1000).net
    # Keras leaves out the normalisations' scale, one for each of the 17,216 maps; torchvision has it and, without its auxiliary head, the sum.
    assert ours.count_params() == theirs.count_params() + 17_216 == 23_869_000
    assert sum(int(np.prod(variable.shape)) for variable in ours.trainable_variables) == 23_834_568
    nets.copied(theirs, ours)
    x = nets.images(75)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-5 * np.abs(theirs(x)).max())


def test_the_maps_are_those_of_table_1() -> None:
    net = nets.made(Inception, 299, blocks=(1, 1, 1), width=0.05, norm="none").net
    names = ("stem0_conv", "stem1_conv", "stem2_conv", "stem_pool0", "stem4_conv", "stem_pool1", "a0", "a_shrink", "b0", "b_shrink", "c0")
    assert [net.get_layer(name).output.shape[1] for name in names] == [149, 147, 147, 73, 71, 35, 35, 17, 17, 8, 8]


@pytest.mark.parametrize(("size_px", "sides"), [(15, [15, 7, 3]), (28, [28, 13, 6]), (32, [32, 15, 7])])
def test_small_pictures_are_halved_twice(size_px: int, sides: list[int]) -> None:
    net = nets.made(Inception, size_px, blocks=(1, 1, 1), width=0.02, norm="none").net
    assert [net.get_layer(name).output.shape[1] for name in ("a0", "b0", "c0")] == sides
    assert np.isfinite(net(nets.images(size_px))).all()


def test_flat_kernels_come_in_pairs() -> None:
    net = nets.made(Inception, 16, blocks=(1, 2, 1), width=0.02, norm="none").net
    sizes = [net.get_layer(f"b0_double{number}_conv").kernel_size for number in range(5)]
    assert sizes == [(1, 1), (7, 1), (1, 7), (7, 1), (1, 7)]
    assert [net.get_layer(f"c0_three_{side}_conv").kernel_size for side in ("row", "column")] == [(1, 3), (3, 1)]
    widths = [net.get_layer(f"b{number}_seven0_conv").filters for number in range(2)]
    assert widths == [round(128 * 0.02), round(160 * 0.02)]


@pytest.mark.parametrize(
    ("size_px", "model", "hint"),
    [(74, {"stem": "imagenet"}, "stem=imagenet; use at least 75, or from 15 on model.stem=cifar"), (14, {}, "stem=auto; use at least 15")],
)
def test_a_picture_that_would_vanish_is_refused(size_px: int, model: dict, hint: str) -> None:
    assert Inception.check(nets.recipe(Inception, size_px, **model)) == [
        ("data.size_px", f"{size_px} is too small for the convolutions and poolings of {hint}")
    ]
    assert Inception.check(nets.recipe(Inception, size_px + 1, **model)) == []
