"""The runtime needs numpy, pillow and an interpreter, and nothing else: it is installed into environments of its own, and its tests run there.

One has ai-edge-litert, one tflite-runtime 2.14 with numpy 1.x, on the oldest Python there is here. Bundles and pictures are made beforehand, where
TensorFlow is; in the environments neither TensorFlow nor kvision is installed, only `edge/`, pytest and a copy of `tests/edge/device/`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.edge import tiny
from tests.edge.device import fuzz
from tests.environments import EDGE, installed, oldest

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
HEAVY = ("tensorflow", "keras", "kvision", "kvision_export", "scipy", "pandas", "matplotlib")
INI = """
[pytest]
addopts = --import-mode=importlib --strict-markers -m "not slow" -p no:cacheprovider
filterwarnings = error
markers = slow: takes minutes
"""


@pytest.fixture(scope="session")
def given(
    made: Callable[[str], Path], pictures: dict[str, list[Path]], squares: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What the tests of a device are given, so that they need no TensorFlow."""
    folder = tmp_path_factory.mktemp("given")
    for task in tiny.MAKERS:
        shutil.copytree(made(task), folder / task)
    (folder / "pictures").mkdir()
    for paths in pictures.values():
        shutil.copy(paths[0], folder / "pictures")
    np.savez(folder / "squares.npz", **squares)
    return folder


def device(python: Path, given: Path, folder: Path) -> str:
    """Runs the tests of a device with a Python; what pytest says, all of them having passed."""
    tests = folder / "tests" / "edge"
    shutil.copytree(HERE / "device", tests / "device", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conftest.py", "corpus.py", "tiny.py"):
        shutil.copy(HERE / name, tests)
    (folder / "pytest.ini").write_text(INI)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "KVISION_EDGE_GIVEN": str(given), "PYTHONPATH": str(folder)}
    listing = [sys.executable, "-m", "pip", "--python", python, "list", "--format=json"]
    listed = subprocess.run(listing, check=True, capture_output=True, text=True, timeout=60)
    assert {each["name"] for each in json.loads(listed.stdout)} & {name.replace("_", "-") for name in HEAVY} == set()
    command = [python, "-m", "pytest", "-q", "-rs", "tests/edge/device"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder, env=environment)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    return done.stdout


def test_the_tests_of_a_device_pass_with_litert_alone(given: Path, tmp_path: Path) -> None:
    python = installed(tmp_path / "venv", sys.executable, "-c", str(CONSTRAINTS), f"{EDGE}[litert]", "gymnasium>=1.0", "pytest")
    said = device(python, given, tmp_path)
    assert " skipped" not in said, said[-1500:]
    assert int(re.findall(r"(\d+) passed", said)[0]) > 100


def test_the_tests_of_a_device_pass_on_the_runtime_of_old_devices(given: Path, tmp_path: Path, runtime_2_14: Path) -> None:
    said = device(runtime_2_14, given, tmp_path)
    assert all("Gymnasium is an extra" in line for line in said.splitlines() if line.startswith("SKIPPED")), said[-1500:]
    assert int(re.findall(r"(\d+) passed", said)[0]) > 100


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["litert", "tflite"])
def test_five_thousand_mutated_bundles_and_pictures_neither_crash_nor_hang(given: Path, tmp_path: Path, runtime: str) -> None:
    python = installed(tmp_path / "venv", oldest() if runtime == "tflite" else sys.executable, f"{EDGE}[{runtime}]")
    report = fuzz.run(given, 0, 5000, str(python))
    assert (report.crashed, report.hung) == ([], [])
    assert report.refused + report.ran == 5000


WHOLE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY:
            raise ModuleNotFoundError("refused: " + name, name=name)
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
from kvision_edge import cli
segmentation, captioning, picture = sys.argv[2:5]
codes = [cli.main(arguments) for arguments in (
    ["run", segmentation, picture, "--json"],
    ["run", captioning, picture, "--json"],
    ["verify", segmentation, "--json"],
    ["verify", captioning, "--json"],
    ["bench", segmentation, "--runs", "2", "--no-xnnpack"],
    ["info", segmentation],
)]
assert codes == [0] * 6, codes
assert not [name for name in sys.modules if name.split(".")[0] in HEAVY]
""".replace("HEAVY", repr(HEAVY))


def test_no_command_imports_tensorflow_keras_or_kvision(segmentation: Path, captioning: Path, pictures: dict[str, list[Path]]) -> None:
    command = [sys.executable, "-I", "-c", WHOLE, str(EDGE), str(segmentation), str(captioning), str(pictures["exif"][1])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-1500:]
    lines = done.stdout.splitlines()
    assert json.loads(lines[0])["task"] == "segmentation"
    assert json.loads(lines[1])["task"] == "captioning"


def test_importing_loads_next_to_nothing_and_the_command_loads_no_more_than_it_needs() -> None:
    code = "import sys; import kvision_edge; import kvision_edge.manifest; import kvision_edge.cli; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(EDGE)})
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "kvision_edge" in loaded
    assert loaded & {*HEAVY, "numpy", "PIL", "ai_edge_litert", "tflite_runtime", "cv2", "http"} == set()
