"""A damaged or hostile file does not reach the interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from kvision_edge import flatbuffer, interpreter
from kvision_edge.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_what_a_file_holds(segmentation: Path, captioning: Path) -> None:
    facts = flatbuffer.verify((segmentation / "tflite-fp32.tflite").read_bytes(), "x")
    assert facts.signatures == {"predict": 0}
    assert (facts.num_operators, len(facts.operators)) == (4, 2)  # three convolutions and a sum
    assert set(flatbuffer.verify((captioning / "tflite-fp32.tflite").read_bytes(), "x").signatures) == {"encode", "step"}


def test_every_truncation_is_refused(segmentation: Path) -> None:
    content = (segmentation / "tflite-int8-full.tflite").read_bytes()
    for length in range(0, len(content) - 32, 16):
        with pytest.raises(BundleError, match="LiteRT file"):
            flatbuffer.verify(content[:length], "x")


def test_other_files_are_told_from_models() -> None:
    with pytest.raises(BundleError, match=r"x: is no LiteRT file.*TFL3"):
        flatbuffer.verify(b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "x")


@pytest.mark.parametrize("task", ["classification", "captioning"])
def test_a_file_cut_behind_each_op_computes_what_the_whole_one_computes_so_far(made: Callable[[str], Path], task: str) -> None:
    content = (made(task) / "tflite-fp32.tflite").read_bytes()
    engine, found = interpreter.find(), {}
    image = np.random.default_rng(0).normal(0, 1, (1, 32, 32, 3)).astype(np.float32)
    for count, cut in enumerate(flatbuffer.prefixes(content), 1):
        started = engine.start(cut, 1, False)
        assert len(started._get_ops_details()) == count
        started.set_tensor(started.get_input_details()[0]["index"], image)
        started.invoke()
        for each in started.get_output_details():
            value = started.get_tensor(each["index"])
            np.testing.assert_array_equal(found.setdefault(each["index"], value), value)
    runner = interpreter.Runner(content, "x", xnnpack=False)
    name, signature = next(iter(runner.signatures.items()))
    outputs = runner.raw(name, {"image": image})
    assert set(outputs) == set(signature.outputs)
    for expected in outputs.values():
        assert any(np.array_equal(value, expected) for value in found.values())
    assert len(found) >= count
