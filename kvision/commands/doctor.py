"""`kvision doctor`: versions, devices, and what does not fit together.

TensorFlow is imported in another process with a time limit, so that a broken installation gives a message and not a crash.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kvision import __version__
from kvision.core import words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PACKAGES = ("tensorflow", "keras", "numpy", "protobuf", "pydantic", "ruamel.yaml", "typer", "scikit-learn", "scipy", "pillow", "matplotlib", "h5py")
PYTHONS = ((3, 11), (3, 13))
TENSORFLOW = (2, 21)
KERAS = (3, 15)
FREE_BYTES = 2_000_000_000
SECONDS = 120.0
DEAD = {
    "tensorflow-addons": "does not import beside TensorFlow 2.21",
    "keras-cv": "ended in 2024; keras-hub carries its content",
    "tensorflow-model-optimization": "knows only Keras 2",
    "tflite-model-maker": "is unmaintained and pins old versions",
    "tensorflow-io": "has no build for this TensorFlow",
}
PROBE = """
import json, sys
import tensorflow as tf, keras
gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in tf.config.list_physical_devices("GPU")]
result = float(tf.reduce_sum(tf.matmul(tf.ones([2, 2]), tf.ones([2, 2]))))
print("KVISION" + json.dumps({"tensorflow": tf.__version__, "keras": keras.__version__, "gpus": gpus,
      "built_for_gpu": tf.test.is_built_with_cuda(), "works": result == 8.0}))
"""
Level = Literal["conflict", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something that does not fit.

    Attributes:
        level: `conflict` makes the exit code 1, a `warning` does not.
        message: What is there, and what to do.
    """

    level: Level
    message: str


def run(*, json_lines: bool = False) -> int:
    """Prints versions, devices and findings.

    Args:
        json_lines: One JSON object instead of text.

    Returns:
        1 when there is a conflict, else 0.
    """
    versions = {name: version for name in PACKAGES if (version := installed(name)) is not None}
    probed, trouble = probe()
    findings = [*check_packages(installed), *check_environment(os.environ), *check_disk(Path.cwd()), *trouble]
    failed = any(finding.level == "conflict" for finding in findings)
    if json_lines:
        facts = {
            "machine": machine(),
            "versions": versions,
            "tensorflow": probed,
            "findings": [asdict(finding) for finding in findings],
            "ok": not failed,
        }
        print(json.dumps(facts))
    else:
        _print(versions, probed, findings)
    return int(failed)


def _print(versions: Mapping[str, str], probed: Mapping[str, Any], findings: list[Finding]) -> None:
    facts = machine()
    rows = {"kvision": __version__, "Python": f"{facts['python']} ({sys.executable})", "system": facts["system"]}
    rows["processor"] = f"{facts['cores']} cores, {words.size(facts['memory_bytes'])} of memory"
    rows["GPU"] = ", ".join(probed.get("gpus", [])) or "none found; the CPU is used"
    rows["disk"] = f"{words.size(facts['free_bytes'])} free in {Path.cwd()}"
    rows |= versions
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
    print()
    for finding in findings:
        print(f"{finding.level}: {finding.message}")
    if not findings:
        print("all fits together")


def machine() -> dict[str, Any]:
    """Python, operating system, cores, memory and free disk."""
    import psutil

    return {
        "kvision": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "free_bytes": shutil.disk_usage(Path.cwd()).free,
    }


def installed(name: str) -> str | None:
    """Version of an installed distribution, read without importing it; None when it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_packages(version_of: Callable[[str], str | None]) -> list[Finding]:
    """Versions that do not fit.

    Args:
        version_of: Version of a distribution, or None.

    Returns:
        Findings.
    """
    found = []
    python = sys.version_info[:2]
    if not PYTHONS[0] <= python <= PYTHONS[1]:
        found.append(
            Finding("conflict", f"Python {python[0]}.{python[1]}: kvision runs on 3.11, 3.12 and 3.13; make a virtual environment with one of them")
        )
    for name, wanted in (("tensorflow", TENSORFLOW), ("keras", KERAS)):
        version = version_of(name)
        if version is None and name == "tensorflow" and version_of("tensorflow-cpu"):
            version = version_of("tensorflow-cpu")
        need = ".".join(str(part) for part in wanted)
        if version is None:
            found.append(Finding("conflict", f"{name} is not installed; `pip install '{name}~={need}.0'`"))
        elif numbers(version)[:2] != wanted:
            found.append(Finding("conflict", f"{name} {version}, kvision needs {need}; `pip install '{name}~={need}.0'`"))
    numpy, protobuf = version_of("numpy"), version_of("protobuf")
    if numpy is not None and numbers(numpy) < (1, 26):
        found.append(Finding("conflict", f"numpy {numpy}, TensorFlow 2.21 needs 1.26 or later; `pip install 'numpy>=2'`"))
    if protobuf is not None and numbers(protobuf) < (5, 28):
        found.append(Finding("conflict", f"protobuf {protobuf}, TensorFlow 2.21 needs 5.28 or later; `pip install 'protobuf>=6'`"))
    for name, why in DEAD.items():
        version = version_of(name)
        if version is not None:
            level: Level = "conflict" if name == "tensorflow-addons" else "warning"
            found.append(Finding(level, f"{name} {version} is installed: it {why}; `pip uninstall {name}`"))
    if version_of("tf-keras") is not None:
        found.append(Finding("warning", f"tf-keras {version_of('tf-keras')} (Keras 2) is installed: kvision uses Keras 3; `pip uninstall tf-keras`"))
    return found


def check_environment(environ: Mapping[str, str]) -> list[Finding]:
    """Environment variables that change what Keras or TensorFlow is.

    Args:
        environ: Environment variables.

    Returns:
        Findings.
    """
    found = []
    if environ.get("TF_USE_LEGACY_KERAS", "0").lower() not in ("", "0", "false"):
        message = f"TF_USE_LEGACY_KERAS={environ['TF_USE_LEGACY_KERAS']} asks for Keras 2, kvision needs Keras 3; `unset TF_USE_LEGACY_KERAS`"
        found.append(Finding("conflict", message))
    if environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        message = f"KERAS_BACKEND={environ['KERAS_BACKEND']}, kvision needs tensorflow; `unset KERAS_BACKEND`"
        found.append(Finding("conflict", message))
    if environ.get("TF_ENABLE_ONEDNN_OPTS") == "0":
        found.append(Finding("warning", "TF_ENABLE_ONEDNN_OPTS=0 makes training on this CPU about 2.4 times slower; `unset TF_ENABLE_ONEDNN_OPTS`"))
    return found


def check_disk(folder: Path) -> list[Finding]:
    """Too little space for runs.

    Args:
        folder: Where runs would be written.

    Returns:
        Findings.
    """
    free = shutil.disk_usage(folder).free
    if free >= FREE_BYTES:
        return []
    return [
        Finding("warning", f"{words.size(free)} free in {folder}, a run may need {words.size(FREE_BYTES)}; make room, or use --run-dir elsewhere")
    ]


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: `2.21.0rc1` -> (2, 21, 0)."""
    parts = []
    for part in version.split("."):
        digits = part[: next((index for index, char in enumerate(part) if not char.isdigit()), len(part))]
        if not digits:
            break
        parts.append(int(digits))
    return tuple(parts)


def probe(program: str = PROBE, seconds: float = SECONDS) -> tuple[dict[str, Any], list[Finding]]:
    """Imports TensorFlow in another process.

    Args:
        program: What it runs; prints `KVISION` and a JSON object.
        seconds: Time limit.

    Returns:
        What the process found, and findings when it failed.
    """
    reinstall = "make a new virtual environment, and install kvision there with constraints.txt"
    try:
        plain = {name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND", "TF_USE_LEGACY_KERAS")}  # reported already
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=seconds, check=False, env=plain)
    except subprocess.TimeoutExpired:
        return {}, [
            Finding("conflict", f"`import tensorflow` took more than {seconds:.0f} s; is the disk or the network file system slow? Else {reinstall}")
        ]
    line = next((line for line in done.stdout.splitlines() if line.startswith("KVISION")), None)
    if done.returncode == 0 and line is not None:
        facts: dict[str, Any] = json.loads(line.removeprefix("KVISION"))
        return facts, [] if facts.get("works", True) else [Finding("conflict", f"TensorFlow multiplies wrongly; {reinstall}")]
    reason = "crashed" if done.returncode < 0 else "failed"
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), f"exit code {done.returncode}")
    return {}, [Finding("conflict", f"`import tensorflow` {reason}: {last.strip()[:300]}; {reinstall}")]
