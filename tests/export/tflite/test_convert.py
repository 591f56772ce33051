"""Conversion: every format computes what Keras does, and whatever goes wrong in the child is one clear error."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import keras
import numpy as np
import pytest
import tensorflow as tf

from kvision_export.errors import ExportError
from kvision_export.formats import FORMATS
from kvision_export.parity import runner
from kvision_export.tflite import convert, flatbuffer, freeze, lstm, probe, runtimes
from kvision_export.tflite.convert import Converted
from tests.export.tflite import nets

if TYPE_CHECKING:
    from pathlib import Path

    from tests.export.tflite.conftest import Pair

FP32, INT8, FULL = FORMATS["tflite-fp32"], FORMATS["tflite-int8"], FORMATS["tflite-int8-full"]

# Shares of the outputs' range; int16 files made of both signatures at once, which the converter gets wrong, miss it by far.
ALLOWED = {
    "tflite-fp32": 1e-6,
    "tflite-fp16": 1e-3,
    "tflite-dynamic": 0.02,
    "tflite-int8": 0.03,
    "tflite-int8-full": 0.03,
    "tflite-int16x8": 0.02,
    "tflite-int4": 0.15,
}


@pytest.mark.parametrize("name", ALLOWED)
def test_both_signatures_of_every_format_compute_what_keras_does(pair: Pair, name: str) -> None:
    path = pair.path(name)
    facts = flatbuffer.inspect(path)
    assert {key: (set(part.inputs), set(part.outputs)) for key, part in facts.signatures.items()} == {
        "encode": ({"image"}, {"features", "state"}),
        "step": ({"features", "state", "token"}, {"logits", "state"}),
    }
    found = probe.run(str(path), runtimes.sample(facts, pair.calls))
    for key, part in facts.signatures.items():
        outputs = {name: runner.dequantize(found[f"{key}|{name}"], tensor) for name, tensor in part.outputs.items()}
        assert nets.difference(pair.nets, key, pair.calls[key], outputs) < ALLOWED[name]


def test_smaller_formats_are_smaller(pair: Pair) -> None:
    fp32, fp16, int8, int4 = (pair.path(f"tflite-{name}").stat().st_size for name in ("fp32", "fp16", "int8", "int4"))
    assert fp16 < 0.55 * fp32
    assert int8 < 0.33 * fp32
    assert int4 < 0.20 * fp32


def test_normalisation_is_folded_into_the_convolution(pair: Pair) -> None:
    ops = flatbuffer.inspect(pair.path("tflite-fp32")).ops["encode"]
    assert ops == {"CONV_2D": 1, "MEAN": 1, "FULLY_CONNECTED": 3, "TANH": 1}


def test_full_int8_has_int8_edges_and_no_float(pair: Pair) -> None:
    facts = flatbuffer.inspect(pair.path("tflite-int8-full"))
    assert facts.float_ops == []
    assert {tensor.dtype for part in facts.signatures.values() for tensor in [*part.inputs.values(), *part.outputs.values()]} == {"int8"}
    edges = flatbuffer.inspect(pair.path("tflite-int8"))
    assert edges.float_ops == []
    assert {tensor.dtype for part in edges.signatures.values() for tensor in part.inputs.values()} == {"float32"}


def test_weights_shared_by_signatures_are_stored_once(pair: Pair) -> None:
    weights = {id(variable): 4 * int(np.prod(variable.shape)) for net in pair.nets.by_signature.values() for variable in net.weights}
    assert pair.path("tflite-fp32").stat().st_size < 1.05 * sum(weights.values())


def test_an_op_that_litert_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"tflite-fp32: LiteRT has no MatrixInverse; accepted are its built-in ops: .* --allow-flex"):
        convert.convert(nets.single(nets.Inverse(), (4, 4)), FP32, tmp_path / "inverse.tflite")
    assert not (tmp_path / "inverse.tflite").exists()


@pytest.mark.slow
def test_flex_is_allowed_if_asked_for(tmp_path: Path) -> None:
    made = convert.convert(nets.single(nets.Inverse(), (4, 4)), FP32, tmp_path / "inverse.tflite", allow_flex=True)
    assert flatbuffer.inspect(made.path).flex_ops == ["MatrixInverse"]


def test_full_int8_that_would_keep_a_float_op_is_refused_and_int8_says_so(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, (20, 6)).astype(np.float32)
    outs = {INT8: tmp_path / "int8.tflite", FULL: tmp_path / "full.tflite"}
    made = convert.convert_many(nets.single(nets.FloorModulo(), (6,)), outs, calibration=nets.calibration(predict={"x": values}))
    refused, kept = made[FULL], made[INT8]
    assert isinstance(refused, ExportError)
    assert "tflite-int8-full: 1 op would stay in float (FLOOR_MOD" in str(refused)
    assert "use tflite-int8" in str(refused)
    assert not (tmp_path / "full.tflite").exists()
    assert isinstance(kept, Converted)
    assert kept.notes[0].startswith("1 op in float: FLOOR_MOD")


def test_ops_can_be_kept_in_float_and_the_batch_be_larger(pair: Pair, tmp_path: Path) -> None:
    only = nets.Nets({"encode": pair.nets.by_signature["encode"]})
    ranges = nets.calibration(encode=pair.calls["encode"])
    exact = flatbuffer.inspect(pair.path("tflite-fp32"))
    convolution = next(each for each in exact.float_ops if each.startswith("CONV_2D ")).removeprefix("CONV_2D ")
    outs = {FULL: tmp_path / "full.tflite", FORMATS["tflite-int16x8"]: tmp_path / "int16.tflite", FORMATS["tflite-int4"]: tmp_path / "int4.tflite"}
    made = convert.convert_many(only, outs, calibration=ranges, keep_float=[convolution], batch=4)
    for each in (FULL, FORMATS["tflite-int16x8"]):
        found = made[each]
        assert isinstance(found, Converted), found
        facts = flatbuffer.inspect(found.path)
        assert [op.split()[0] for op in facts.float_ops] == ["CONV_2D"]
        assert facts.signatures["encode"].inputs["image"].shape == (4, 8, 8, 3)
        assert facts.signatures["encode"].outputs["features"].shape == (4, 256)
    found = made[FORMATS["tflite-int4"]]
    assert isinstance(found, Converted)
    assert flatbuffer.inspect(found.path).weight_dtypes["float32"] >= 4 * 3 * 3 * 3 * 8


def test_fused_lstm_computes_what_the_layer_does_and_is_refused_in_int8(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    layer = keras.layers.LSTM(32, return_sequences=True)
    sequence = keras.Input((12, 8), batch_size=1, name="sequence")
    net = keras.Model(sequence, {"logits": keras.layers.Dense(5)(layer(sequence))})
    fused = nets.Nets({"predict": lstm.fuse(net)})
    values = np.random.default_rng(0).standard_normal((10, 12, 8)).astype(np.float32)
    outs = {FORMATS[name]: tmp_path / f"{name}.tflite" for name in ("tflite-fp32", "tflite-int8")}
    made = convert.convert_many(fused, outs, calibration=nets.calibration(predict={"sequence": values}))
    exact, refused = made[FP32], made[INT8]
    assert isinstance(exact, Converted)
    assert flatbuffer.inspect(exact.path).ops["predict"] == {"UNIDIRECTIONAL_SEQUENCE_LSTM": 1, "FULLY_CONNECTED": 1}
    found = probe.run(str(exact.path), {"predict|sequence": values[:1]})["predict|logits"]
    np.testing.assert_allclose(found, net(values[:1])["logits"], atol=1e-6, rtol=0)
    assert isinstance(refused, ExportError)
    assert "use tflite-dynamic" in str(refused)


@pytest.mark.parametrize(
    ("layer", "reason"), [(keras.layers.LSTM(4, activation="relu"), "activation=relu"), (keras.layers.LSTM(4, use_bias=False), "use_bias")]
)
def test_an_lstm_that_cannot_be_fused_says_why(layer: keras.layers.LSTM, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        lstm.FusedLSTM(layer)


START = """
import json, os, signal, subprocess, sys, time
from pathlib import Path

folder = Path(sys.argv[1])
tasks = json.loads((folder / "job.json").read_text())


def answer(task, **values):
    (folder / (task["format"] + ".json")).write_text(json.dumps({"seconds": 0.0, "notes": [], "by": "", **values}))


"""


def _child(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Lets the child run a script in place of the converter."""
    monkeypatch.setattr(convert, "_MAIN", ("-c", START + script))
    monkeypatch.setattr(convert, "_START_S", 0.0)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"the converter was ended by SIGSEGV: it crashes on this network; use tflite-fp32"),
        ("print('x'); print('MLIR: Check failed: a == b'); os.abort()", r"was ended by SIGABRT \(MLIR: Check failed: a == b\)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", r"ran out of memory and was ended; free some"),
        ("print('terminate called: std::bad_alloc'); os.abort()", r"ran out of memory"),
        ("answer(tasks[0], fault='memory')", r"ran out of memory"),
        (
            "answer(tasks[0], fault='disk', errno=28, reason='No space left on device')",
            r"No space left on device; free some space, or .* --out",
        ),
        (
            "answer(tasks[0], fault='converter', reason='X:\\nloc(a): error: op b is odd\\nc')",
            r"refused this network: loc\(a\): error: op b is odd; use",
        ),
        ("raise SystemExit(3)", r"ended with code 3"),
        ("raise SystemExit(os.EX_IOERR)", r"kvision-convert-.*: no place for what the converter works with: .*; free some space there, or .* TMPDIR"),
    ],
)
def test_whatever_ends_the_child_is_one_clear_error(pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, message: str) -> None:
    _child(monkeypatch, script)
    with pytest.raises(ExportError, match=f"tflite-fp32: .*{message}"):
        convert.convert(pair.nets, FP32, tmp_path / "x.tflite")


def test_a_hang_is_ended_at_the_limit_and_nothing_is_left_running(pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    grandchild = f"import time, pathlib; time.sleep(2); pathlib.Path({str(mark)!r}).touch()"
    _child(monkeypatch, f"subprocess.Popen([sys.executable, '-c', {grandchild!r}])\ntime.sleep(60)")
    began = time.monotonic()
    with pytest.raises(ExportError, match=r"tflite-fp32: the converter was still at work after 1 s and was ended; allow more time"):
        convert.convert(pair.nets, FP32, tmp_path / "x.tflite", timeout_s=1)
    assert time.monotonic() - began < 20
    time.sleep(2.5)
    assert not mark.exists()


def test_a_crash_loses_only_the_format_at_work(pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    good = pair.path("tflite-fp32")
    script = (
        "import shutil\n"
        "for task in tasks:\n"
        "    if task['format'] == 'tflite-fp16': os.kill(os.getpid(), signal.SIGSEGV)\n"
        f"    shutil.copy({str(good)!r}, task['out']); answer(task)"
    )
    _child(monkeypatch, script)
    outs = {FORMATS[name]: tmp_path / f"{name}.tflite" for name in ("tflite-fp32", "tflite-fp16", "tflite-dynamic")}
    made = convert.convert_many(pair.nets, outs)
    assert [isinstance(found, Converted) for found in made.values()] == [True, False, True]
    assert str(made[FORMATS["tflite-fp16"]]).startswith(f"tflite-fp16: the converter was ended by {signal.SIGSEGV.name}")


def test_a_calibrated_format_without_calibration_is_refused_at_once(pair: Pair, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="tflite-int8 is calibrated on training examples; give a calibration"):
        convert.convert(pair.nets, INT8, tmp_path / "x.tflite")


def test_calibration_images_that_fill_no_batch_are_refused_at_once(pair: Pair, tmp_path: Path) -> None:
    few = nets.calibration(**pair.calls)
    with pytest.raises(ExportError, match=r"tflite-int8: .* do not fill a batch of 999; give --calibration 999 or more, or a smaller --batch"):
        convert.convert(pair.nets, INT8, tmp_path / "x.tflite", calibration=few, batch=999)


def test_outputs_of_one_name_are_refused() -> None:
    image = keras.Input((4,), name="image")
    layer = keras.layers.Dense(2, name="twice")
    net = keras.Model(image, [layer(image), layer(image * 2)])
    with pytest.raises(ExportError, match="outputs twice, twice can't be told apart by name; let it return a dict"):
        freeze.output_names(net)


@pytest.mark.parametrize(
    "fault",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        # As TensorFlow says it.
        tf.errors.ResourceExhaustedError(None, None, "/tmp/x/saved_model.pb.tmp17; No space left on device"),
    ],
    ids=["numpy", "tensorflow"],
)
def test_no_room_for_what_the_child_is_given(pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: Exception) -> None:
    def full(subject: object, folder: Path, batch: object) -> None:
        raise fault

    monkeypatch.setattr(freeze, "save", full)
    with pytest.raises(ExportError, match=r"^/.*/kvision-convert-\w+: no place for .*: No space left on device; free some .* TMPDIR$"):
        convert.convert(pair.nets, FP32, tmp_path / "x.tflite")


def test_no_place_for_temporary_files_at_all(pair: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none(**options: object) -> object:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(convert.tempfile, "TemporaryDirectory", none)
    with pytest.raises(ExportError, match=r"No usable temporary directory found in \['/tmp'\]; free some .* TMPDIR$"):
        convert.convert(pair.nets, FP32, tmp_path / "x.tflite")


def test_a_child_whose_parent_is_gone_does_nothing(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child of its parent's end")
    done = subprocess.run([sys.executable, *convert._MAIN, str(tmp_path), str(os.getppid())], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_full_disk_is_said_to_be_one(pair: Pair) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("/dev/full is Linux's")
    from pathlib import Path

    from kvision_export.tflite import worker

    class Ready:
        def make(self, task: object) -> object:
            del task
            return type("Made", (), {"content": pair.path("tflite-int8").read_bytes(), "by": "", "notes": ()})

    from kvision_export.tflite.engines import Task

    answer = worker._do(Task("tflite-int8", str(Path("/dev/full"))), Ready())  # type: ignore[arg-type]
    assert answer["fault"] == "disk"
    assert answer["reason"] == "No space left on device"
