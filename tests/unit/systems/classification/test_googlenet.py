"""GoogLeNet: its published size and shapes, and auxiliary heads that are trained and go no further."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.systems.classification._part import Classifier
from kvision.systems.classification.googlenet import GoogLeNet
from tests.unit.systems.classification import nets

TINY = {"width": 0.05, "norm": "none", "auxiliary_dropout": 0.0, "dropout": 0.0}


def batch(size_px: int = 16) -> dict[str, tf.Tensor]:
    return {"image": tf.constant(nets.images(size_px)), "label": tf.constant([1, 2]), "weight": tf.ones(2)}


def test_the_parameters_are_the_paper_s_and_those_of_caffe_with_both_heads() -> None:
    system = nets.made(GoogLeNet, 224, 1000, norm="none", initializer="zeros")
    assert system.net.count_params() == 6_998_552
    assert sum(net.count_params() for net in system.networks.values()) == 13_378_280


@pytest.mark.parametrize(("size_px", "sides"), [(224, [28, 28, 14, 14, 7, 7]), (32, [32, 32, 16, 16, 8, 8])])
def test_the_maps_are_those_of_table_1(size_px: int, sides: list[int]) -> None:
    net = nets.made(GoogLeNet, size_px, auxiliary=0.0, initializer="zeros", norm="none").net
    shapes = [net.get_layer(f"inception{name}").output.shape for name in ("3a", "3b", "4a", "4e", "5a", "5b")]
    assert [shape[1] for shape in shapes] == sides
    assert [shape[3] for shape in shapes] == [256, 480, 512, 832, 832, 1024]


def test_a_block_puts_its_branches_beside_each_other() -> None:
    net = nets.made(GoogLeNet, 16, blocks=(1, 1, 1), **TINY).net
    x = tf.nn.relu(np.random.default_rng(0).normal(size=(2, 16, 16, 10)).astype(np.float32))

    def convolved(value: tf.Tensor, name: str) -> tf.Tensor:
        kernel, bias = net.get_layer(f"inception3a_{name}_conv").get_weights()
        return tf.nn.relu(tf.nn.conv2d(value, kernel, 1, "SAME") + bias)

    expected = [
        convolved(x, "1x1"),
        convolved(convolved(x, "3x3_reduce"), "3x3"),
        convolved(convolved(x, "5x5_reduce"), "5x5"),
        convolved(tf.nn.max_pool2d(x, 3, 1, "SAME"), "pooled"),
    ]
    block = keras.Model(net.get_layer("stem_act").output, net.get_layer("inception3a").output)
    np.testing.assert_allclose(block(x), tf.concat(expected, -1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("blocks", "branches"), [((2, 5, 2), ["4a", "4d"]), ((1, 3, 1), ["4a", "4b"]), ((1, 2, 1), ["4a"]), ((1, 1, 1), ["4a"])])
def test_the_heads_grow_from_the_first_block_and_the_last_but_one(blocks: tuple[int, int, int], branches: list[str]) -> None:
    system = nets.made(GoogLeNet, 16, blocks=blocks, **TINY)
    assert [entry.name for entry in system.networks["auxiliary"].inputs] == [f"inception{name}" for name in branches]


def test_a_head_of_224_px_sees_4_by_4_places() -> None:
    heads = nets.made(GoogLeNet, 224, width=0.05).networks["auxiliary"]
    assert heads.get_layer("inception4a_pool").output.shape[1:3] == heads.get_layer("inception4d_pool").output.shape[1:3] == (4, 4)


@pytest.mark.parametrize(("blocks", "branches"), [((2, 5, 2), ("4a", "4d")), ((1, 2, 1), ("4a",))])
def test_the_loss_has_the_heads_shares(blocks: tuple[int, int, int], branches: tuple[str, ...]) -> None:
    system, examples = nets.made(GoogLeNet, 16, blocks=blocks, **TINY), batch()
    probe = keras.Model(system.net.input, [system.net.get_layer(f"inception{name}").output for name in branches])
    heads = tf.nest.flatten(system.networks["auxiliary"](probe(examples["image"])))
    assert len(heads) == len(branches)
    main = Classifier.example_losses(system, examples, training=False)
    expected = main + 0.3 * sum(system.losses(head, examples) for head in heads)
    np.testing.assert_allclose(system.example_losses(examples, training=False), expected, rtol=1e-5)
    assert system.expected_initial_loss() == pytest.approx(np.log(10) * (1 + 0.3 * len(heads)))


def test_the_penalty_counts_the_kernels_of_the_heads_too() -> None:
    system = nets.made(GoogLeNet, 16, blocks=(1, 1, 1), **TINY)
    system.loss = GoogLeNet.Loss(l2=0.1)
    kernels = [variable for net in system.networks.values() for variable in net.trainable_variables if len(variable.shape) > 1]
    assert any("logits" in variable.path and variable.path.startswith("inception4a") for variable in kernels)
    np.testing.assert_allclose(system.penalty(), 0.05 * sum(np.sum(np.square(each.numpy())) for each in kernels), rtol=1e-5)


def test_one_optimizer_trains_all_and_only_the_first_network_is_exported() -> None:
    system, examples = nets.made(GoogLeNet, 16, **TINY), batch()
    assert list(system.signatures().values()) == ["net"]
    assert len(system.net.outputs) == 1
    (variables,) = system.trainables().values()
    assert len(variables) == sum(len(net.trainable_variables) for net in system.networks.values())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(system.example_losses(examples))
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    assert all(gradient is not None for gradient in gradients)


def test_without_heads_it_is_a_classifier_like_others() -> None:
    system, examples = nets.made(GoogLeNet, 16, auxiliary=0.0, **TINY), batch()
    assert list(system.networks) == ["net"]
    np.testing.assert_array_equal(system.example_losses(examples, False), Classifier.example_losses(system, examples, False))
    assert system.expected_initial_loss() == pytest.approx(np.log(10))


def test_outside_of_training_the_heads_average_over_views_too() -> None:
    system, examples = nets.made(GoogLeNet, 16, blocks=(1, 1, 1), tta="flip", **TINY), batch()
    mirrored = {**examples, "image": examples["image"][:, :, ::-1]}
    found = system.example_losses(examples, training=False)
    assert found.shape == (2,)
    np.testing.assert_allclose(found, system.example_losses(mirrored, training=False), rtol=1e-4)
    assert np.all(found > Classifier.example_losses(system, examples, training=False))
