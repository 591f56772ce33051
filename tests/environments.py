"""Pythons of other environments than this one, with some packages each: made anew, from the package index."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EDGE = Path(__file__).resolve().parents[1] / "edge"


def installed(folder: Path, python: str, *wanted: str) -> Path:
    """The Python of a new environment with some packages, by the pip of this one; skips the test where no package index can be reached, only then."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True, capture_output=True, timeout=120)
    made = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", made, "--disable-pip-version-check", "--no-input"]
    done = subprocess.run([*pip, "install", "-q", "--no-compile", *wanted], capture_output=True, text=True, timeout=300)
    if done.returncode:
        reached = subprocess.run([*pip, "download", "-q", "--no-deps", "--no-cache-dir", "-d", folder, "pillow"], capture_output=True, timeout=120)
        if reached.returncode:
            pytest.skip(f"no package index can be reached, so {' '.join(wanted)} can't be installed")
        pytest.fail(f"pip install {' '.join(wanted)}: {done.stderr[-1000:]}")
    return made


def oldest() -> str:
    """A Python that tflite-runtime 2.14 has wheels for, the oldest there is."""
    for name in ("python3.9", "python3.10", "python3.11"):
        found = shutil.which(name)
        if found and not subprocess.run([found, "-c", "import ensurepip, venv"], capture_output=True).returncode:
            return found
    pytest.skip("tflite-runtime 2.14 has wheels for Python up to 3.11, and there is none of those here")


def with_runtime_2_14(factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with tflite-runtime 2.14, `kvision-edge` and pytest: one for all workers of a run, the first makes it."""
    own = factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = shared / "runtime-2.14"
    with (shared / "runtime-2.14.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "finished").exists():
            installed(folder, oldest(), f"{EDGE}[tflite]", "tflite-runtime==2.14.0", "pytest")
            (folder / "finished").touch()
    return folder / "bin" / "python"
