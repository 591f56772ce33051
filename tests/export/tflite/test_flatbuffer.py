"""What is read from a file, and what is written anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kvision_export.formats import FORMATS
from kvision_export.tflite import buffers, flatbuffer, op_versions, probe, runtimes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.export.tflite.conftest import Pair


def test_facts_of_a_float_file(pair: Pair) -> None:
    facts = flatbuffer.inspect(pair.path("tflite-fp32"))
    assert len(facts.float_ops) == sum(sum(part.values()) for part in facts.ops.values())
    assert facts.custom_ops == facts.flex_ops == facts.variable_ops == []
    assert facts.signatures["encode"].inputs["image"].shape == (1, 8, 8, 3)
    assert set(facts.weight_dtypes) == {"float32", "int32"}


def test_facts_of_quantized_edges(pair: Pair) -> None:
    tensor = flatbuffer.inspect(pair.path("tflite-int8-full")).signatures["encode"].inputs["image"]
    images = pair.calls["encode"]["image"]
    assert tensor.dtype == "int8"
    assert tensor.scale == pytest.approx((np.ptp(images) / 255,), rel=1e-3)
    assert tensor.zero_point == (round(-128 - images.min() / tensor.scale[0]),)


def test_a_file_of_several_is_what_they_were(pair: Pair, tmp_path: Path) -> None:
    content = pair.path("tflite-dynamic").read_bytes()
    other = tmp_path / "other.tflite"
    model = flatbuffer.parse(content)
    for definition in model.signatureDefs:
        definition.signatureKey = b"other_" + definition.signatureKey
    other.write_bytes(buffers.merge([content, buffers._packed(model, len(content))]))
    facts = flatbuffer.inspect(other)
    assert set(facts.signatures) == {"encode", "step", "other_encode", "other_step"}
    assert facts.ops["other_step"] == facts.ops["step"]
    inputs = runtimes.sample(facts, pair.calls | {f"other_{key}": part for key, part in pair.calls.items()})
    found = probe.run(str(other), inputs)
    np.testing.assert_array_equal(found["other_step|logits"], found["step|logits"])
    assert len(buffers.compact(other.read_bytes())) < 0.6 * other.stat().st_size


def test_buffers_are_aligned_and_inside_the_flatbuffer(pair: Pair) -> None:
    for name in ("tflite-fp32", "tflite-int8-full", "tflite-int4"):
        content = pair.path(name).read_bytes()
        model = flatbuffer.parse(content)
        assert content[4:8] == b"TFL3"
        assert all(buffer.offset == 0 for buffer in model.buffers)
        starts = [buffer.data.__array_interface__["data"][0] for buffer in model.buffers if buffer.data is not None]
        base = np.frombuffer(content, np.uint8).__array_interface__["data"][0]
        assert {(start - base) % 16 for start in starts} == {0}


def test_a_compact_file_stays_as_it_is(pair: Pair) -> None:
    content = pair.path("tflite-int8").read_bytes()
    assert buffers.compact(content) == content


@pytest.mark.parametrize(
    ("op", "version", "release"),
    [
        ("CONV_2D", 5, "2.5"),
        ("CONV_2D", 8, "2.15"),
        ("CONV_2D", 9, "2.15"),
        ("FULLY_CONNECTED", 12, "2.17"),
        ("FULLY_CONNECTED", 13, "2.18"),
        ("TRANSPOSE_CONV", 4, "2.13"),
        ("GELU", 1, "2.9"),
        ("RESHAPE", 1, "2.5"),
    ],
)
def test_op_versions(op: str, version: int, release: str) -> None:
    assert op_versions.needs(op, version) == release


def test_the_stamp_of_the_converter_agrees_with_the_table(pair: Pair) -> None:
    for name in ("tflite-fp32", "tflite-int8-full", "tflite-dynamic"):
        model = flatbuffer.parse(pair.path(name).read_bytes())
        stamp = next(bytes(model.buffers[each.buffer].data) for each in model.metadata if each.name == b"min_runtime_version")
        found = flatbuffer.inspect(pair.path(name)).minimum_runtime
        release = ".".join(stamp.rstrip(b"\0").decode().split(".")[:2])
        assert op_versions.ordered(found) == max(op_versions.ordered(release), op_versions.ordered(op_versions.OLDEST))


def test_a_file_with_variables_or_custom_ops_is_refused(pair: Pair) -> None:
    from dataclasses import replace

    form, facts = FORMATS["tflite-fp32"], flatbuffer.inspect(pair.path("tflite-fp32"))
    for changed, words in (
        (replace(facts, variable_ops=["READ_VARIABLE"]), "READ_VARIABLE stand in the file, and such files return NaN"),
        (replace(facts, custom_ops=["Mine"]), "LiteRT has no Mine"),
        (replace(facts, flex_ops=["Svd"]), "LiteRT has no Svd"),
    ):
        assert words in str(runtimes.problem(changed, form, "litert2", allow_flex=False))
    assert runtimes.problem(replace(facts, flex_ops=["Svd"]), form, "litert2", allow_flex=True) is None
