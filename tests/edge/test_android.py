"""edge/android, compiled for the JVM with small stand-ins for Android and LiteRT: it prepares and decodes as kvision_edge does.

Needs a Kotlin compiler: `npm install --prefix /opt/kotlin kotlin-compiler@2.4.20` (94 MB, whole in the package) and
`PATH=/opt/kotlin/node_modules/kotlin-compiler/bin:$PATH`; it is skipped without.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kvision_edge
from kvision_edge import manifest
from kvision_edge.postprocess.classification import Classification
from kvision_edge.postprocess.segmentation import Segmentation
from tests.edge import tiny

SOURCE = Path(__file__).parents[2] / "edge" / "android"
KINDS = ("int8-full", "uint8-full", "fp32")
SIZES = ((50, 77), (32, 32), (9, 7), (300, 411), (1, 640), (33, 31))


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The class and its driver as a jar; 20 seconds of one core."""
    missing = [name for name in ("kotlinc", "java") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    jar = tmp_path_factory.mktemp("kotlin") / "kvision.jar"
    sources = sorted([*SOURCE.glob("*.kt"), *(Path(__file__).parent / "android").glob("*.kt")])
    done = subprocess.run(["kotlinc", "-Werror", "-include-runtime", *map(str, sources), "-d", str(jar)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return jar


def images() -> list[np.ndarray]:
    random = np.random.default_rng(2)
    flat = np.kron(random.integers(0, 256, (5, 7, 3), np.uint8), np.ones((30, 30, 1), np.uint8))
    return [random.integers(0, 256, (*size, 3), np.uint8) for size in SIZES] + [flat]


def answers(program: Path, bundle: Path, name: str, work: Path, model: Any, start: str = "folder") -> tuple[str, list[Any]]:
    """What it printed, and Python's answers, whose network's outputs it is given; its inputs must be Python's."""
    found = []
    for number, image in enumerate(images()):
        (work / f"{number}.rgb").write_bytes(np.array(image.shape[:2], ">i4").tobytes() + image.tobytes())
        prepared = model.prepare(image)
        outputs = model.runner.raw("predict", prepared.inputs)
        for key, value in outputs.items():
            (work / f"{number}.predict.{key}.given").write_bytes(value.tobytes())
        found.append((prepared, model.predict(image)))
    done = subprocess.run(
        ["java", "-XX:TieredStopAtLevel=1", "-cp", str(program), "MainKt", str(bundle), name, str(work), str(len(found)), start],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, found


@pytest.mark.parametrize("name", KINDS)
def test_inputs_masks_and_shares_are_those_of_the_python_runtime(program: Path, segmentation: Path, tmp_path: Path, name: str) -> None:
    said, found = answers(
        program, segmentation, name, tmp_path, kvision_edge.load(segmentation, format=name), "assets" if name == "fp32" else "folder"
    )
    assert said == ""
    for number, (prepared, answer) in enumerate(found):
        assert isinstance(answer, Segmentation)
        assert (tmp_path / f"{number}.predict.image.taken").read_bytes() == prepared.inputs["image"].tobytes()
        classes = np.frombuffer((tmp_path / f"{number}.classes").read_bytes(), np.uint8).reshape(answer.classes.shape)
        assert (classes != answer.classes).sum() <= 1e-5 * classes.size  # where probabilities are equal but for the last bit of exp
        shares = dict(line.split("\t") for line in (tmp_path / f"{number}.answer").read_text().splitlines())
        assert {label: round(float(share), 6) for label, share in shares.items()} == answer.shares


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "none"])
@pytest.mark.parametrize("fit", ["resize", "crop"])
def test_classes_are_those_of_the_python_runtime(program: Path, classification: Path, tmp_path: Path, activation: str, fit: str) -> None:
    bundle = shutil.copytree(classification, tmp_path / "bundle")
    tiny.changed(bundle, decode={"activation": activation}, preprocess={"fit": fit})
    said, found = answers(program, bundle, "int8-full", tmp_path, kvision_edge.load(bundle, format="int8-full"))
    assert said == ""
    for number, (prepared, answer) in enumerate(found):
        assert isinstance(answer, Classification)
        assert (tmp_path / f"{number}.predict.image.taken").read_bytes() == prepared.inputs["image"].tobytes()
        rows = [line.split("\t") for line in (tmp_path / f"{number}.answer").read_text().splitlines()]
        assert [(int(row[0]), row[1]) for row in rows] == list(zip(answer.classes, answer.labels, strict=True))
        assert [float(row[2]) for row in rows] == pytest.approx(answer.probabilities, abs=2e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "has schema 2, this class reads 1"),
        ({"task": "captioning"}, "the bundle's task is captioning"),
        ({"path": "../tiny.tflite"}, "which is not in the bundle; do not use this bundle"),
        ({"sha256": "0" * 64}, "is not the file that was exported; copy it again"),
        ({"format": "int4"}, "the bundle has no int4; it holds tflite-int8-full, tflite-uint8-full, tflite-int16x8-full, tflite-fp32"),
        ({"format": "int16x8-full"}, "float32, int8 and uint8 with one are known"),
    ],
)
def test_a_bundle_that_it_can_not_run_is_refused(program: Path, bundle: Path, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    values = json.loads((bundle / manifest.NAME).read_text())
    for key, value in change.items():
        if key in values:
            values[key] = value
        elif key != "format":
            values["files"][0][key] = value
    (bundle / manifest.NAME).write_text(json.dumps(values))
    arguments = [str(bundle), str(change.get("format", "int8-full")), str(tmp_path), "0", "folder"]
    done = subprocess.run(["java", "-cp", str(program), "MainKt", *arguments], capture_output=True, text=True, check=False)
    assert message in done.stdout, done.stderr


def test_the_formats_that_are_compared_exist() -> None:
    assert {f"tflite-{name}" for name in KINDS} < set(tiny.KINDS)
