"""Labels and metadata inside a file."""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from kvision_export.tflite import flatbuffer, metadata, probe, runtimes

if TYPE_CHECKING:
    from pathlib import Path

    from tests.export.tflite.conftest import Pair


def test_labels_travel_in_the_file_and_the_model_stays_as_it_was(pair: Pair, tmp_path: Path) -> None:
    plain, path = pair.path("tflite-int8-full"), tmp_path / "with.tflite"
    shutil.copy(plain, path)
    metadata.append(path, ["sky", "Straße"], {"name": "unet"})
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read("labels.txt").decode() == "sky\nStraße\n"
        assert json.loads(archive.read("metadata.json")) == {"name": "unet"}
    assert metadata.model(path) == plain.read_bytes()
    facts = flatbuffer.inspect(path)
    assert facts == flatbuffer.inspect(plain)
    inputs = runtimes.sample(facts, pair.calls)
    np.testing.assert_array_equal(probe.run(str(path), inputs)["step|logits"], probe.run(str(plain), inputs)["step|logits"])


def test_appending_again_replaces_and_gives_the_same_bytes(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "with.tflite"
    shutil.copy(pair.path("tflite-int8-full"), path)
    metadata.append(path, ["a"], {})
    first = path.read_bytes()
    metadata.append(path, ["b", "c"], {"x": 1})
    assert metadata.read(path) == {"labels.txt": "b\nc\n", "metadata.json": '{\n "x": 1\n}\n'}
    metadata.append(path, ["a"], {})
    assert path.read_bytes() == first


def test_a_file_without_has_none(pair: Pair) -> None:
    assert metadata.read(pair.path("tflite-fp32")) == {}
