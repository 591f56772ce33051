"""ResNet: equal to keras.applications with the same weights, its published sizes, and what each of its refinements promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.layers.stochastic_depth import StochasticDepth
from kvision.systems.classification.resnet import ResNet
from tests.unit.systems.classification import nets

if TYPE_CHECKING:
    from kvision.systems.classification._part import Classifier

KERAS_V1 = {"bias": True, "stride_in": "1x1"}
KERAS_V2 = {"bias": True, "preactivation": True, "stride_at": "last"}


def small(size_px: int = 8, **model) -> Classifier:
    return nets.made(ResNet, size_px, **{"depth": 8, "filters": (4, 8, 16)} | model)


def trained(net: keras.Model) -> int:
    return sum(int(np.prod(variable.shape)) for variable in net.trainable_variables)


@pytest.mark.parametrize(
    ("reference", "model", "parameters"),
    [(keras.applications.ResNet50, KERAS_V1, 25_636_712), (keras.applications.ResNet50V2, KERAS_V2, 25_613_800)],
    ids=["v1", "v2"],
)
def test_outputs_equal_keras_applications_with_its_weights(reference, model: dict, parameters: int) -> None:
    theirs = reference(weights=None, input_shape=(32, 32, 3), classifier_activation=None)
    ours = nets.made(ResNet, 32, 1000, depth=50, stem="imagenet", **model).net
    assert ours.count_params() == theirs.count_params() == parameters
    nets.copied(theirs, ours)
    x = nets.images(32)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-5 * np.abs(theirs(x)).max())


@pytest.mark.parametrize(
    ("model", "classes", "expected"),
    [
        ({"depth": 18}, 1000, 11_689_512),  # torchvision, timm
        ({"depth": 34}, 1000, 21_797_672),
        ({"depth": 50, "groups": 32, "group_width": 4}, 1000, 25_028_904),
        ({"depth": 50, "squeeze_excite": 16}, 1000, 28_088_024),
        ({"depth": 26, "width": 10, "preactivation": True}, 10, 36_479_194),  # WRN-28-10: the paper counts the skips' convolutions
    ],
    ids=["18", "34", "resnext50_32x4d", "seresnet50", "wrn_28_10"],
)
def test_what_is_trained_is_as_much_as_published(model: dict, classes: int, expected: int) -> None:
    stem = "imagenet" if classes == 1000 else "cifar"
    assert trained(nets.made(ResNet, 32, classes, stem=stem, initializer="zeros", **model).net) == expected


def test_depths_of_three_stages_have_6_n_plus_2_layers() -> None:
    net = small(depth=20, filters=None).net
    layers = [layer for layer in net.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense) and "skip" not in layer.name]
    assert len(layers) == 20
    assert [net.get_layer(f"stage{stage}_block2_out").output.shape[1:] for stage in range(3)] == [(8, 8, 16), (4, 4, 32), (2, 2, 64)]


@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_a_preactivated_block_whose_last_scale_is_zero_is_the_identity(block: str) -> None:
    net = small(preactivation=True, block=block, stages=(2, 1, 1), filters=(4, 8, 8)).net
    last = "c" if block == "bottleneck" else "b"
    before = net.get_layer("stage0_block1_norm")  # the second block: nothing changes its channels
    norm = [layer for layer in net.layers if layer.name.startswith("stage0_block1_") and layer.name.endswith("_norm")][-1]
    assert norm.name == f"stage0_block1_{chr(ord(last) - 1)}_norm"
    norm.gamma.assign(tf.zeros_like(norm.gamma))
    norm.beta.assign(tf.zeros_like(norm.beta))
    probe = keras.Model(net.input, [before.input, net.get_layer("stage0_block1_add").output])
    entry, result = probe(nets.images(8))
    assert np.abs(entry).max() > 0.1
    np.testing.assert_array_equal(result, entry)


def test_a_grouped_block_splits_transforms_and_merges() -> None:
    # Xie 2017, figure 3: (a) separate paths of 1x1, 3x3 and 1x1, whose sum is (c) one block with a grouped convolution.
    net = small(block="bottleneck", groups=4, group_width=2, norm="none", stages=(2, 1, 1), filters=(8, 8, 8)).net
    name = "stage0_block1"
    x = tf.nn.relu(np.random.default_rng(0).normal(size=(2, 8, 8, 32)).astype(np.float32))
    (k1, b1), (k2, b2), (k3, b3) = (net.get_layer(f"{name}_{each}_conv").get_weights() for each in "abc")
    assert (k1.shape, k2.shape, k3.shape) == ((1, 1, 32, 8), (3, 3, 2, 8), (1, 1, 8, 32))
    merged = x + b3
    for path in range(4):
        own = slice(2 * path, 2 * path + 2)
        y = tf.nn.relu(tf.nn.conv2d(x, k1[..., own], 1, "SAME") + b1[own])
        y = tf.nn.relu(tf.nn.conv2d(y, k2[..., own], 1, "SAME") + b2[own])
        merged += tf.nn.conv2d(y, k3[:, :, own], 1, "SAME")
    probe = keras.Model(net.get_layer(f"{name}_a_conv").input, net.get_layer(f"{name}_out").output)
    np.testing.assert_allclose(probe(x), tf.nn.relu(merged), rtol=1e-4, atol=1e-4)


def test_groups_keep_their_width_from_stage_to_stage() -> None:
    net = nets.made(ResNet, 16, depth=8, block="bottleneck", groups=2, group_width=3).net
    assert [net.get_layer(f"stage{stage}_block0_b_conv").filters for stage in range(3)] == [6, 12, 24]


def test_survival_falls_linearly() -> None:
    net = small(depth=14, survival=0.5).net
    found = [layer.survival for layer in net.layers if isinstance(layer, StochasticDepth)]
    np.testing.assert_allclose(found, [1 - block / 6 * 0.5 for block in range(1, 7)])


def test_squeeze_and_excitation_stands_before_the_sum() -> None:
    net = small(squeeze_excite=2).net
    names = [layer.name for layer in net.layers]
    assert names.index("stage1_block0_b_norm") < names.index("stage1_block0_se_scale") < names.index("stage1_block0_add")
    assert net.get_layer("stage2_block0_se_reduce").filters == 8


def test_the_plain_network_is_the_residual_one_without_its_sums() -> None:
    plain, residual = small(skips=False).net, small().net
    assert not any(isinstance(layer, keras.layers.Add) for layer in plain.layers)
    skips = [layer for layer in residual.layers if "_skip_" in layer.name and layer.weights]
    assert trained(residual) - trained(plain) == sum(int(np.prod(each.shape)) for layer in skips for each in layer.trainable_weights)


def test_where_only_the_size_changes_the_skip_has_no_weights() -> None:
    net = small(filters=(4, 4, 8)).net
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 4)).astype(np.float32)
    np.testing.assert_array_equal(net.get_layer("stage1_block0_skip")(x), x[:, ::2, ::2])


def test_biases_stand_where_no_normalisation_follows() -> None:
    for model, expected in ((KERAS_V2, {"_a": False, "_b": False, "_c": True, "_skip": True}), ({"preactivation": True, "norm": "none"}, None)):
        net = small(block="bottleneck", **model).net
        for end in ("_a", "_b", "_c", "_skip"):
            assert net.get_layer(f"stage1_block0{end}_conv").use_bias is (True if expected is None else expected[end])


@pytest.mark.parametrize(
    "model",
    [
        {"norm": "group"},
        {"norm": "layer", "activation": "gelu"},
        {"norm": "instance", "activation": "prelu"},
        {"stem": "imagenet"},
        {"block": "bottleneck", "groups": 4, "group_width": 2},
    ],
)
def test_every_variable_of_other_makes_gets_a_gradient(model: dict) -> None:
    system = small(16, **model)
    batch = {"image": tf.constant(nets.images(16)), "label": tf.constant([1, 2]), "weight": tf.ones(2)}
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(system.example_losses(batch))
    gradients = tape.gradient(loss, [variable.value for variable in system.net.trainable_variables])
    assert all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ({"depth": 21}, ("model.depth", "21 is no depth; use 18, 34, 50, 101, 152, or 6 n + 2 such as 20")),
        ({"depth": 20, "filters": (8, 8)}, ("model.filters", "2 values for 3 stages; give one for each stage")),
        ({"groups": 4}, ("model.groups", "4 groups need a bottleneck; use model.block=bottleneck or depth=50")),
        ({"survival": 0.5, "skips": False}, ("model.survival", "0.5 has no effect without skips; take it out")),
        (
            {"activation": "maxout"},
            ("model.activation", "maxout halves the channels, which a sum can't follow; use relu, or another system, such as mlp"),
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(model: dict, expected: tuple[str, str]) -> None:
    assert ResNet.check(nets.recipe(ResNet, 32, **model)) == [expected]


@pytest.mark.parametrize("more", [{}, {"block": "bottleneck", "groups": 2}])
def test_a_width_of_less_than_a_filter_leaves_one(more: dict[str, Any]) -> None:
    assert nets.made(ResNet, 16, depth=8, width=0.01, **more).net.get_layer("stage0_block0_a_conv").filters >= 1
