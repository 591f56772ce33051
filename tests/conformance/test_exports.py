"""What every system must give on a device and behind a server: the properties of exported files, on every system of the catalogue.

Weights are the scattered ones of the goldens, so the files are about conversion and rounding; what a trained system loses is for its export's proof.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf

from kvision_edge import postprocess, quantization
from kvision_edge.manifest import Tensor
from kvision_export import formats
from kvision_export.errors import ExportError
from kvision_export.parity import runner, standin
from kvision_export.saved_model import served
from kvision_export.subject import Subject
from kvision_export.tflite import calibration, convert, flatbuffer, worker
from tests.conformance import subject as systems
from tests.conformance.subject import every_system
from tests.edge import tiny

if TYPE_CHECKING:
    from pathlib import Path

EXACT = ("tflite-fp32", "tflite-fp16")
SHARES = {"tflite-fp32": 1e-5, "tflite-fp16": 5e-3, "tflite-dynamic": 0.05, "tflite-int8-full": 0.1}
"""Largest mean error as a share of the outputs' range."""


def mean_share(exact: np.ndarray, found: np.ndarray) -> float:
    return float(np.mean(np.abs(exact - found)) / (np.ptp(exact) or 1.0))  # of what is always the same, the error itself


def said(made: Subject, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a network makes of inputs."""
    net = made.networks()[signature]
    given = tf.nest.pack_sequence_as(net._inputs_struct, [inputs[each.name] for each in net.inputs])
    return {key: np.asarray(value) for key, value in standin.by_name(net, net(given, training=False)).items()}


def batch(made: Subject) -> np.ndarray:
    """A validation batch as `predict_step` takes it."""
    session = made.session
    return made.given(made.examples("val", range(min(session.recipe.data.batch, session.pipeline.num_val))))


def sentences(made: Subject, opened: runner.Runner, given: np.ndarray) -> list[tuple[int, ...]]:
    """The tokens that a device says of each example."""
    decoder = postprocess.choose(tiny.described(made.system.task, made.system.decoding()), opened.signatures)
    found = [decoder.infer(opened.run, {made.field: each[None]})["tokens"][0, 0] for each in given]
    return [tuple(row[row > 0]) for row in found]


def actions(made: Subject, opened: runner.Runner, given: np.ndarray) -> np.ndarray:
    """What a device does at each observation."""
    decoder = postprocess.choose(tiny.described(made.system.task, made.system.decoding()), opened.signatures)
    return np.array([decoder.answer(decoder.infer(opened.run, {made.field: each[None]}), None).action for each in given])


@every_system
def test_saved_model(name: str, exported: Subject, tmp_path: Path) -> None:
    made = exported
    served.save(made, tmp_path / "model")
    given = batch(made)
    (first, inputs), *others = calibration.calls(made, given).items()
    expected = (
        {key: value.numpy() for key, value in made.system.predict_step(tf.constant(given)).items()} if made.direct else said(made, first, inputs)
    )
    opened = runner.SavedModel(tmp_path / "model")
    outputs = opened.run("predict_tensor", inputs)
    for signature, asked in others:
        expected |= {f"{signature}/{key}": value for key, value in said(made, signature, asked).items()}
        outputs |= {f"{signature}/{key}": value for key, value in opened.run(signature, asked).items()}
    for key, value in expected.items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(outputs[key], value, rtol=0, atol=1e-5 * np.ptp(value))
        else:
            assert np.mean(outputs[key] == value) > 0.999, key
    bytes_of_weights = sum(4 * net.count_params() for net in made.networks().values())
    stored = sum(path.stat().st_size for path in (tmp_path / "model" / "variables").glob("*data*"))
    # The table of names weighs in these small networks; what must not happen is that weights are stored twice.
    assert bytes_of_weights <= stored < 1.1 * bytes_of_weights + 20_000


@pytest.mark.filterwarnings("ignore:(?s).*tf.lite.Interpreter is deprecated:UserWarning")  # the converter's own, when it calibrates
@every_system
def test_litert(name: str, exported: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = exported
    # A child of its own for each system, which is for converters that crash, would have to import TensorFlow.
    monkeypatch.setattr(convert, "_child", lambda folder, *_: worker.main(folder))
    ranges = calibration.choose(made, 8)
    outs = {formats.FORMATS[each]: tmp_path / f"{each}.tflite" for each in SHARES}
    files = convert.convert_many(made, outs, calibration=ranges)
    given = batch(made)
    asked = calibration.calls(made, given)
    exact = {signature: said(made, signature, inputs) for signature, inputs in asked.items()}
    for each, result in files.items():
        if each.name == formats.FULL_INT8 != made.system.device_format and isinstance(result, ExportError):
            continue  # refused with its reason: decoders may count, or begin with states that no converter has an int8 form of
        assert isinstance(result, convert.Converted), f"{each.name}: {result}"
        facts = flatbuffer.inspect(result.path)
        assert set(facts.signatures) == set(made.system.signatures())
        assert [*facts.custom_ops, *facts.flex_ops, *facts.variable_ops] == []
        if each.name == formats.FULL_INT8:
            assert facts.float_ops == []
        opened = runner.Runner(result.path)
        for signature, inputs in asked.items():
            found = opened.run(signature, inputs)
            for key, value in exact[signature].items():
                assert mean_share(value, found[key]) <= SHARES[each.name], f"{each.name}: {signature}/{key}"
        if each.name == "tflite-fp32" and "start" in made.system.decoding():
            assert sentences(made, opened, given) == [tuple(row[row > 0]) for row in made.system.predict_step(given)[made.system.decision].numpy()]
        if each.name == "tflite-fp32" and made.system.task == "policy":
            expected = made.system.predict_step(tf.constant(given))["action"].numpy()
            np.testing.assert_allclose(actions(made, opened, given), expected, rtol=1e-4, atol=1e-5)


@every_system
def test_the_manifest_s_decoder_names_outputs_that_exist(name: str, exported: Subject) -> None:
    system = exported.system
    assert system.task
    named = system.decoding().get("output")
    if named is not None:
        assert any(named in standin.by_name(net, net.output) for net in exported.networks().values())
    if system.decision:
        output = system.predict_step(tf.constant(batch(exported)[:1]))
        assert output[system.decision].dtype.is_integer


@pytest.mark.parametrize(
    "tensor", [Tensor((2, 3), "int8", (0.5,), (3,)), Tensor((2, 3), "int16", (0.1, 0.2, 0.3), (0, 0, 0), 1), Tensor((2, 3), "float32")]
)
def test_a_device_quantizes_as_the_proof_does(tensor: Tensor) -> None:
    values = systems.scattered((2, 3)).astype(np.float32) * 100
    stored = quantization.stored(values, tensor)
    np.testing.assert_array_equal(stored, runner.quantize(values, tensor))
    np.testing.assert_array_equal(quantization.real(stored, tensor), runner.dequantize(stored, tensor))
