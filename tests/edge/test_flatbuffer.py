"""A damaged or hostile file does not reach the interpreter."""

from __future__ import annotations

import subprocess
import sys
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


FUZZ = """
import sys
import numpy as np
from kvision_edge.errors import EdgeError
from kvision_edge.interpreter import Runner
content, count = open(sys.argv[1], "rb").read(), int(sys.argv[2])
random, refused, ran = np.random.default_rng(int(sys.argv[3])), 0, 0
for number in range(count):
    changed = bytearray(content)
    for place in random.integers(0, len(changed), random.integers(1, 4)):
        changed[place] = random.integers(0, 256)
    print(number, flush=True)
    try:
        runner = Runner(bytes(changed), "x")
        for name, signature in runner.signatures.items():
            runner.raw(name, {key: np.zeros(tensor.shape, tensor.dtype) for key, tensor in signature.inputs.items()})
        ran += 1
    except EdgeError:
        refused += 1
print("refused", refused, "ran", ran)
"""


def fuzz(path: Path, count: int, seed: int) -> None:
    done = subprocess.run([sys.executable, "-c", FUZZ, str(path), str(count), str(seed)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"after {done.stdout.splitlines()[-1:]}: {done.stderr[-300:]}"
    assert done.stdout.splitlines()[-1].startswith("refused ")


@pytest.mark.parametrize("name", ["tflite-int8-full", "tflite-fp32"])
def test_mutated_files_are_refused_or_run_and_never_take_the_process_down(segmentation: Path, name: str) -> None:
    fuzz(segmentation / f"{name}.tflite", 150, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tflite-int8-full", "tflite-uint8-full", "tflite-int16x8-full", "tflite-fp32"])
@pytest.mark.parametrize("seed", range(5))
def test_five_thousand_mutated_files(segmentation: Path, name: str, seed: int) -> None:
    fuzz(segmentation / f"{name}.tflite", 250, seed)
