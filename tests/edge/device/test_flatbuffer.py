"""A damaged or hostile file does not reach the interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kvision_edge import flatbuffer
from kvision_edge.errors import BundleError

if TYPE_CHECKING:
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
