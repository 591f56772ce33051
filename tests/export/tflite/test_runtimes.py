"""What old runtimes get: only what they compute rightly, and the proof on the oldest one itself."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from kvision_edge.manifest import Signature, Tensor
from kvision_export.errors import ExportError
from kvision_export.formats import FORMATS
from kvision_export.tflite import convert, flatbuffer, runtimes
from kvision_export.tflite.convert import Converted
from tests.export.tflite import nets

if TYPE_CHECKING:
    from pathlib import Path

    from kvision_export.subject import Subject
    from tests.export.tflite.conftest import Pair

DYNAMIC, FULL, INT4 = FORMATS["tflite-dynamic"], FORMATS["tflite-int8-full"], FORMATS["tflite-int4"]


def test_int4_is_refused_for_old_runtimes_and_unknown_ones_are_named() -> None:
    assert "tflite-int4 can't be had for --runtime 2.14" in str(runtimes.refusal(INT4, "2.14"))
    assert runtimes.refusal(INT4, "litert2") is None
    assert runtimes.refusal(FULL, "3") == "--runtime 3: accepted are 2.14, 2.17, litert2"


def test_what_the_quantizer_does_not_stamp_needs_litert_2(pair: Pair) -> None:
    facts = flatbuffer.inspect(pair.path("tflite-int4"))
    assert facts.minimum_runtime == "2.21"
    assert facts.newest_ops == ["CONV_2D", "FULLY_CONNECTED"]
    assert flatbuffer.inspect(pair.path("tflite-dynamic")).minimum_runtime == "2.17"
    assert flatbuffer.inspect(pair.path("tflite-int8-full")).minimum_runtime == "2.5"


def test_a_file_that_needs_more_is_refused_with_what_it_needs(pair: Pair) -> None:
    facts = flatbuffer.inspect(pair.path("tflite-dynamic"))
    message = runtimes.problem(facts, DYNAMIC, "2.14", allow_flex=False)
    assert message is not None
    assert message.startswith("tflite-dynamic: needs runtime 2.17 for FULLY_CONNECTED, and --runtime 2.14 was asked for; use --runtime 2.17 or")
    assert runtimes.problem(facts, DYNAMIC, "2.17", allow_flex=False) is None


def test_files_for_2_14_run_there(subject: Subject, pair: Pair, tmp_path: Path, runtime_2_14: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KVISION_RUNTIME_2_14", str(runtime_2_14))
    made = convert.convert(subject, DYNAMIC, tmp_path / "unet.tflite", runtime="2.14")
    assert any("runs on tflite_runtime 2.14.0: outputs differ" in note for note in made.notes), made.notes
    if "TRANSPOSE_CONV" in flatbuffer.inspect(made.path).ops["predict"]:
        assert made.notes[0].startswith("weights int8, computed in float32")
    facts = flatbuffer.inspect(pair.path("tflite-int8-full"))
    note = runtimes.prove(pair.path("tflite-int8-full"), facts, FULL, "2.14", pair.calls)
    assert note.startswith("runs on tflite_runtime 2.14.0")
    facts = flatbuffer.inspect(pair.path("tflite-int4"))
    with pytest.raises(ExportError, match=r"tflite-int4: (tflite_runtime 2.14.0 computes something else|does not run on runtime 2.14)"):
        runtimes.prove(pair.path("tflite-int4"), facts, INT4, "2.14", pair.calls)


def test_a_runtime_that_is_not_there_is_said_to_be_missing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KVISION_RUNTIME_2_17", raising=False)
    facts = flatbuffer.inspect(pair.path("tflite-int8-full"))
    assert "not installed here (KVISION_RUNTIME_2_17=" in runtimes.prove(pair.path("tflite-int8-full"), facts, FULL, "2.17", pair.calls)


def test_a_runtime_that_computes_something_else_is_caught(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other runtime is this one, and the file looked at is another: both run, and differ."""
    monkeypatch.setenv("KVISION_RUNTIME_2_17", sys.executable)
    path, form = pair.path("tflite-fp32"), FORMATS["tflite-fp32"]
    facts = flatbuffer.inspect(path)
    assert "outputs differ from LiteRT's by at most 0 of" in runtimes.prove(path, facts, form, "2.17", pair.calls)
    elsewhere = runtimes._elsewhere
    for factor in (1.01, np.nan):
        monkeypatch.setattr(runtimes, "_elsewhere", lambda *a, by=factor: {k: v if v.dtype.kind == "U" else v * by for k, v in elsewhere(*a).items()})
        with pytest.raises(ExportError, match="computes something else than LiteRT"):
            runtimes.prove(path, facts, form, "2.17", pair.calls)


def test_a_crash_there_is_one_error(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setenv("KVISION_RUNTIME_2_14", str(crashing))
    path = pair.path("tflite-int8-full")
    with pytest.raises(ExportError, match=r"does not run on runtime 2.14 \(SIGSEGV\)"):
        runtimes.prove(path, flatbuffer.inspect(path), FULL, "2.14", pair.calls)
    crashing.chmod(0o644)
    with pytest.raises(ExportError, match="mend KVISION_RUNTIME_2_14"):
        runtimes.prove(path, flatbuffer.inspect(path), FULL, "2.14", pair.calls)


def test_remarks(pair: Pair) -> None:
    facts = flatbuffer.inspect(pair.path("tflite-int8"))
    assert runtimes.remarks(facts, FULL) == []
    assert runtimes.remarks(replace(facts, float_ops=["NEG a", "NEG b"]), FULL) == ["2 ops in float: NEG a, NEG b"]
    assert runtimes.remarks(replace(facts, float_ops=["NEG a"] * 7), FULL)[0].endswith("NEG a and 2 more")
    heavy = replace(facts, weight_dtypes={"float32": 40, "int8": 60})
    assert runtimes.remarks(heavy, DYNAMIC)[0].startswith("40% of the weights' bytes stay float32")


def test_converted_files_carry_no_notes_without_reason(pair: Pair) -> None:
    assert all(isinstance(found, Converted) and found.notes == () for found in pair.made.values())
    assert nets.calls_of(pair.nets)["step"]["token"].shape == (20, 16)


def test_indices_that_are_not_given_are_ones_that_exist() -> None:
    inputs = {"token": Tensor((-1,), "int32"), "state": Tensor((1, 400), "float32"), "seen": Tensor((1, 400), "int8", (0.1,), (3,))}
    found = runtimes.sample(SimpleNamespace(signatures={"step": Signature(inputs, {})}), {})
    assert (found["step|token"].dtype, found["step|token"].tolist()) == (np.int32, [0])
    assert found["step|state"].std() == pytest.approx(1, abs=0.2)
    assert found["step|seen"].std() == pytest.approx(10, abs=2)
