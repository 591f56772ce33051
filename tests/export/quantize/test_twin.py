"""The twin of a network: equal to it without rounding, equal to its int8 file with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision_export.errors import ExportError
from kvision_export.quantize import twin
from kvision_export.tflite import freeze
from tests.export.quantize import int8, nets

if TYPE_CHECKING:
    from pathlib import Path

L = keras.layers


@pytest.fixture
def images() -> np.ndarray:
    """Four images."""
    return np.random.default_rng(0).normal(size=(4, *nets.SHAPE)).astype(np.float32)


@pytest.mark.parametrize("name", nets.NETS)
def test_without_rounding_the_twin_is_the_network(name: str, images: np.ndarray) -> None:
    net = nets.NETS[name]()
    made = twin.make(net)
    with twin.calibrating([made]):
        found = made(images).numpy()
    np.testing.assert_allclose(found, net(images).numpy(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", nets.NETS)
def test_the_file_computes_what_the_twin_computes_in_int8_alone(name: str, images: np.ndarray) -> None:
    made = int8.calibrated(nets.NETS[name](), images)
    before = made(images).numpy()
    twin.settle(made)
    np.testing.assert_array_equal(made(images).numpy(), before)
    file = int8.convert(made)
    found, step = file.run(images)
    steps = np.abs(found - before) / step
    assert file.floats == []
    assert steps.max() < 2.01, f"{steps.max()} steps at most, {steps.mean()} on the average"
    assert steps.mean() < (0.3 if name in nets.HALFWAY else 0.2)


def test_a_network_with_silu_can_be_saved_for_the_converter(tmp_path: Path) -> None:
    freeze.save(int8.Only(nets.NETS["gated"]()), tmp_path / "model")
    assert (tmp_path / "model" / "saved_model.pb").is_file()


def test_rounding_is_felt(images: np.ndarray) -> None:
    net = nets.NETS["separable"]()
    difference = np.abs(int8.calibrated(net, images)(images) - net(images))
    assert 1e-3 < difference.max() < 0.1 * np.ptp(net(images))


def test_what_the_file_fuses_is_one_operation(images: np.ndarray) -> None:
    made = int8.calibrated(nets.NETS["depthwise"](), images)
    twin.settle(made)
    assert int8.convert(made).ops == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"]


def test_a_concatenation_gives_its_grid_to_what_it_alone_takes(images: np.ndarray) -> None:
    made = int8.calibrated(nets.NETS["joined"](), images)
    twin.settle(made)
    assert "QUANTIZE" not in int8.convert(made).ops


@pytest.mark.parametrize("name", nets.NETS)
def test_every_variable_gets_a_gradient(name: str, images: np.ndarray) -> None:
    net = nets.NETS[name]()
    made = int8.calibrated(net, images)
    assert {variable.path for variable in made.trainable_variables} == {variable.path for variable in net.trainable_variables}
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.square(made(images, training=True) - 0.3))
    for variable, gradient in zip(made.trainable_variables, tape.gradient(loss, made.trainable_variables), strict=True):
        assert gradient is not None, variable.path
        assert np.any(gradient.numpy() != 0) or "bias" in variable.path, variable.path


def test_training_moves_the_ranges_but_not_the_inputs_nor_the_moving_statistics(images: np.ndarray) -> None:
    made = int8.calibrated(nets.NETS["conv"](), images)
    before = {variable.path: variable.numpy() for variable in made.non_trainable_variables}
    made(3 * images, training=True)
    moved = {variable.path for variable in made.non_trainable_variables if not np.array_equal(variable.numpy(), before[variable.path])}
    assert moved
    assert all("range" in path and "image" not in path for path in moved)
    before = {variable.path: variable.numpy() for variable in made.non_trainable_variables}
    made(5 * images, training=False)
    assert all(np.array_equal(variable.numpy(), before[variable.path]) for variable in made.non_trainable_variables)


def test_the_twin_has_the_names_of_the_network() -> None:
    image = keras.Input((8, 8, 3), name="image")
    x = L.Conv2D(4, 3, name="body")(image)
    net = keras.Model(image, {"mask": L.Conv2D(2, 1, name="logits")(x), "edge": L.Conv2D(1, 1, activation="sigmoid", name="edges")(x)})
    made = twin.make(net)
    assert [each.name for each in made.inputs] == ["image"]
    assert sorted(made.output) == ["edge", "mask"]
    assert set(made.output_names) == set(net.output_names)


def test_a_settled_twin_is_told_from_others() -> None:
    net = nets.NETS["conv"]()
    made = twin.make(net)
    assert not twin.is_settled(net)
    assert not twin.is_settled(made)
    twin.settle(made)
    assert twin.is_settled(made)


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (L.GroupNormalization(2, name="groups"), ("'groups'", "GroupNormalization", "supported are Conv2D, DepthwiseConv2D")),
        (L.Conv2D(4, 3, activation="gelu", name="bent"), ("'bent'", "Conv2D with activation gelu", "relu6, silu")),
        (L.Conv2D(4, 3, groups=2, name="split"), ("'split'", "with 2 groups")),
        (L.ReLU(negative_slope=0.1, name="leaky"), ("'leaky'", "with a slope")),
        (L.LayerNormalization(name="layer"), ("'layer'", "LayerNormalization")),
        (L.UpSampling2D(interpolation="bicubic", name="smooth"), ("'smooth'", "UpSampling2D")),
        (L.Dense(3, name="pixelwise"), ("'pixelwise'", "of a tensor of rank 4 where it must be 2")),
    ],
)
def test_what_cannot_be_int8_is_named(layer: keras.layers.Layer, words: tuple[str, ...]) -> None:
    with pytest.raises(ExportError) as caught:
        twin.make(nets.chain(L.Conv2D(6, 3), layer))
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_layer_that_is_called_twice_is_named() -> None:
    image, shared = keras.Input((8, 8, 3), name="image"), L.Conv2D(3, 3, padding="same", name="shared")
    with pytest.raises(ExportError, match=r"'shared' \(Conv2D, called 2 times\)"):
        twin.make(keras.Model(image, shared(shared(image))))


def test_a_sum_with_a_number_is_named() -> None:
    image = keras.Input((8, 8, 3), name="image")
    with pytest.raises(ExportError, match="Add of 1 tensors where there must be 2"):
        twin.make(keras.Model(image, L.Conv2D(3, 1)(image) + 1.0))


def test_only_functional_models() -> None:
    class Own(keras.Model):
        """A model of its own kind."""

        def call(self, inputs: tf.Tensor) -> tf.Tensor:
            """The inputs."""
            return inputs

    with pytest.raises(ExportError, match="is a Own; supported are functional models"):
        twin.make(Own())
