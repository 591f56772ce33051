from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision.engine import evaluation
from kvision_export.errors import ExportError
from kvision_export.parity import runner, standin


def test_a_system_on_the_file_evaluates_as_keras(subject, files, reference) -> None:
    calls = standin.calls_of(runner.open_file(files["fp32"]), subject.system, "unet")
    session = dataclasses.replace(subject.session, system=standin.system_on(subject.system, calls))
    found = evaluation.evaluate(session)
    assert found.count == reference.count
    assert found.metrics == pytest.approx(reference.metrics, abs=1e-6)


def test_the_own_system_is_left_alone(subject) -> None:
    other = standin.system_on(subject.system, {"predict": lambda inputs: {"x": np.zeros(1)}})
    assert isinstance(subject.system.net, keras.Model)
    assert isinstance(other.net, standin.Function)
    with pytest.raises(ExportError, match="can't be trained"):
        other.net(tf.zeros([1, 32, 32, 3]), training=True)
    with pytest.raises(ValueError, match="sizes it was exported for"):
        other.net.call(tf.zeros([1, 64, 64, 3]))


@pytest.mark.parametrize("kind", ["one", "list", "dict"])
def test_inputs_and_outputs_keep_their_structure(kind: str) -> None:
    first, second = keras.Input((3,), name="first"), keras.Input((3,), name="second")
    total, product = keras.layers.Add(name="total")([first, second]), keras.layers.Multiply(name="product")([first, second])
    outputs = {"one": total, "list": [total, product], "dict": {"p": product, "t": total}}[kind]
    inputs = {"first": first, "second": second} if kind == "dict" else [first, second]
    net = keras.Model(inputs, outputs)

    def call(given):
        total, product = given["first"] + given["second"], given["first"] * given["second"]
        return {"total": total, "t": total, "product": product, "p": product}

    one, two = tf.constant([[1.0, 2.0, 3.0]]), tf.constant([[4.0, 5.0, 6.0]])
    given = {"first": one, "second": two} if kind == "dict" else [one, two]
    stand = standin.Function(net, call)
    graph = tf.function(lambda given: stand(given))
    for found in (stand(given), graph(given)):
        tf.nest.map_structure(np.testing.assert_array_equal, found, net(given))
    traced = graph.get_concrete_function(tf.nest.map_structure(lambda each: tf.TensorSpec([None, 3]), given))
    assert all(shape.as_list() == [None, 3] for shape in tf.nest.flatten(traced.output_shapes))


class _Fake:
    def __init__(self, signatures) -> None:
        self.signatures = signatures

    def run(self, signature, inputs):
        raise AssertionError("not called")


def test_another_systems_file_is_refused(subject, files) -> None:
    real = runner.Runner(files["fp32"]).signatures["predict"]
    (output,) = real.outputs.values()
    larger = dataclasses.replace(real, inputs={"image": dataclasses.replace(real.inputs["image"], shape=(1, 64, 64, 3))})
    more = dataclasses.replace(real, outputs={"masks": output, "boxes": output})
    for signatures, message in (
        ({"encode": real}, "has no signature predict, which segmentation/unet needs; it has encode"),
        ({"predict": larger}, r"image is \[64, 64, 3\] for each example, the network's \[32, 32, 3\]"),
        ({"predict": more}, "has the outputs masks, boxes, the network .*another system"),
    ):
        with pytest.raises(ExportError, match=f"^file: .*{message}|^file: {message}"):
            standin.calls_of(_Fake(signatures), subject.system, "file")
