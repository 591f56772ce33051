"""The runtime needs numpy, pillow and an interpreter, and nothing else; also on the Python and the interpreter of old devices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EDGE = Path(__file__).resolve().parents[2] / "edge"
HEAVY = ("tensorflow", "keras", "kvision", "kvision_export", "scipy", "pandas", "matplotlib")

WHOLE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY:
            raise ModuleNotFoundError("refused: " + name, name=name)
sys.meta_path.insert(0, Refuse())
sys.path = [path for path in sys.path if not path.endswith("/main")]
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


def whole(python: str, *arguments: str) -> list[str]:
    done = subprocess.run([python, "-I", "-c", WHOLE, str(EDGE), *arguments], capture_output=True, text=True, timeout=120, cwd="/")
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-1500:]
    return done.stdout.splitlines()


def test_everything_runs_where_neither_tensorflow_nor_keras_nor_kvision_can_be_imported(
    segmentation: Path, captioning: Path, pictures: dict[str, list[Path]]
) -> None:
    lines = whole(sys.executable, str(segmentation), str(captioning), str(pictures["exif"][1]))
    assert json.loads(lines[0])["task"] == "segmentation"
    assert json.loads(lines[1])["task"] == "captioning"


def test_everything_runs_on_the_runtime_of_old_devices(segmentation: Path, captioning: Path, pictures: dict[str, list[Path]]) -> None:
    python = os.environ.get("KVISION_RUNTIME_2_14")
    if python is None:
        pytest.skip("KVISION_RUNTIME_2_14 names no Python with tflite-runtime 2.14")
    picture = str(pictures["cmyk"][1])
    old, new = (whole(each, str(segmentation), str(captioning), picture) for each in (python, sys.executable))
    ours, theirs = (json.loads(lines[0])["classes"] for lines in (new, old))
    assert ours == pytest.approx(theirs, abs=0.02)  # int8 kernels may round by a step
    assert any("tflite-runtime 2.14" in line for line in old)


def test_importing_loads_next_to_nothing_and_the_command_loads_no_more_than_it_needs() -> None:
    code = "import sys; import kvision_edge; import kvision_edge.manifest; import kvision_edge.cli; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(EDGE)})
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert "kvision_edge" in loaded
    assert loaded & {*HEAVY, "numpy", "PIL", "ai_edge_litert", "tflite_runtime", "cv2", "http"} == set()
