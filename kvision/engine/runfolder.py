"""The run folder: made, claimed, described and found again. No TensorFlow here.

`--resume` on a folder that does not exist yet starts the run, so that the same command line can be given again after a kill at any moment.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kvision.core import paths
from kvision.core.disk import replace, writing
from kvision.core.errors import RunError
from kvision.core.resolved import Resolved, dump, to_json

if TYPE_CHECKING:
    from kvision.data.text.vocabulary import Vocabulary

LOCK = ".lock"
RECIPE = "recipe.yaml"
RESOLVED = "resolved.json"
ENVIRONMENT = "environment.json"
DATA = "data.json"
MODEL = "model.keras"
CHECKPOINTS = "checkpoints"
FREE = ("expect", "cost", "smoke", "data.cache", "train.steps_per_call", "train.checkpoint_every_steps", "train.keep_every_epochs")
"""Keys that change nothing that is computed; a run may be resumed with other values."""
LENGTH = ("train.epochs", "train.steps", "train.early_stop_epochs")
"""Keys that only say when to end; they may change where the learning rate does not depend on the end."""
ENDLESS = ("constant", "plateau", "inverse_sqrt")
"""Schedules whose rate at a step does not depend on how many steps are to come."""


def default(recipe: Path) -> Path:
    """The run folder of a recipe when none is named: `runs/<stem of the recipe>` under the working folder."""
    return Path("runs") / recipe.stem


@contextlib.contextmanager
def claim(run_dir: Path, *, resume: bool) -> Iterator[bool]:
    """Takes the run folder for this process, making it if need be; no second training can have it meanwhile.

    Args:
        run_dir: The run folder.
        resume: Whether a run that is there shall go on.

    Yields:
        Whether there is a run to go on with.

    Raises:
        RunError: If the folder holds a run and `resume` is off, holds something else, is in use, or can't be written.
    """
    with writing(run_dir, "the run folder"):
        present = {path.name for path in run_dir.iterdir()} if run_dir.exists() else set()
    begun = RESOLVED in present
    if begun and not resume:
        raise RunError(f"{run_dir} already holds a run; go on with it by --resume, or start another with --run-dir {paths.unused(run_dir)}")
    if present and not begun and LOCK not in present:
        raise RunError(f"{run_dir} exists and is not a run (it has no {RESOLVED}); choose another folder, such as --run-dir {paths.unused(run_dir)}")
    with writing(run_dir, "the run folder"):
        run_dir.mkdir(parents=True, exist_ok=True)
        lock = (run_dir / LOCK).open("a+")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go when the process dies, so no lock is ever stale
        except BlockingIOError:
            lock.seek(0)
            raise RunError(
                f"{run_dir} is in use by another training, process {lock.read().strip() or 'unknown'}; wait for it, or choose another --run-dir"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        try:
            yield begun
        finally:
            if not (run_dir / RESOLVED).exists():  # it never became a run: leave nothing behind
                (run_dir / LOCK).unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    run_dir.rmdir()


def describe(
    run_dir: Path, resolved: Resolved, *, data: Mapping[str, Any], environment: Mapping[str, Any], vocabulary: Vocabulary | None = None
) -> None:
    """Writes `recipe.yaml`, `environment.json`, `data.json` and, last, `resolved.json`, which makes the folder a run.

    Args:
        run_dir: The run folder, claimed.
        resolved: The resolved recipe.
        data: What data.json holds.
        environment: What environment.json holds.
        vocabulary: Of the texts that the run is trained on, for `vocabulary.json`; none: it is trained without.

    Raises:
        RunError: If a file can't be written.
    """
    with writing(run_dir, "the run's description"):
        if vocabulary is not None:
            vocabulary.save(run_dir)
        replace(run_dir / RECIPE, dump(resolved).encode())
        write_json(run_dir / ENVIRONMENT, environment)
        write_json(run_dir / DATA, data)
        write_json(run_dir / RESOLVED, to_json(resolved))


def check_unchanged(run_dir: Path, values: Mapping[str, Any], fingerprint: str) -> bool:
    """Compares recipe and data with those that the run began with.

    Args:
        run_dir: The run folder.
        values: The resolved recipe as it is now, nested.
        fingerprint: The data's fingerprint as it is now.

    Returns:
        Whether something that may change has changed, so that the description should be written anew.

    Raises:
        RunError: If the recipe or the data changed in a way that would make the rest of the run another run.
    """
    before, now = flatten(read_json(run_dir / RESOLVED)["values"]), flatten(values)
    changed = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    endless = before.get("optim.schedule") in ENDLESS
    barred = [key for key in changed if not (key in FREE or key.startswith(("expect.", "cost.", "smoke.")) or (endless and key in LENGTH))]
    if barred:
        lines = "\n".join(f"  {key}: {before.get(key)!r} when the run began, {now.get(key)!r} now" for key in barred)
        schedule = before.get("optim.schedule")
        why = (
            f" (the {schedule} schedule depends on the run's length, so the steps already done would have been others)"
            if set(barred) & set(LENGTH)
            else ""
        )
        raise RunError(
            f"{run_dir}: the recipe has changed since the run began{why}:\n{lines}\n"
            f"put these values back, or start a new run with --run-dir {paths.unused(run_dir)}"
        )
    recorded = read_json(run_dir / DATA).get("fingerprint")
    if recorded != fingerprint:
        raise RunError(
            f"{run_dir}: the data has changed since the run began: its fingerprint was {recorded} and is {fingerprint} now; "
            f"put the files back (data.json lists them), or start a new run with --run-dir {paths.unused(run_dir)}"
        )
    return bool(changed)


def environment(*, devices: list[str], precision: str, deterministic: bool, workers: int = 1) -> dict[str, Any]:
    """What environment.json holds: versions, machine, git state and the command line.

    Args:
        devices: Names of the devices trained on, of each worker.
        precision: `fp32`, `bf16` or `fp16`.
        deterministic: Whether op determinism is on.
        workers: Processes that train together.

    Returns:
        JSON values.
    """
    return {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "folder": str(Path.cwd()),
        "started": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "versions": versions(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "devices": devices,
        "workers": workers,
        "precision": precision,
        "deterministic": deterministic,
        "git": _git(),
    }


def versions() -> dict[str, str]:
    """Versions of the packages that what is computed depends on."""
    names = ("kvision", "tensorflow", "keras", "numpy", "safetensors", "pydantic", "ruamel.yaml", "scikit-learn")
    found = {}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def recipe_hash(values: Mapping[str, Any]) -> str:
    """SHA-256 of a resolved recipe's values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted path; sequences as lists, so that what JSON read compares equal to what was written."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.") if value else {}
        else:
            flat[prefix + key] = json.loads(json.dumps(value))
    return flat


def read_json(path: Path) -> dict[str, Any]:
    """Reads one JSON file of the run folder.

    Args:
        path: The file.

    Returns:
        Its values.

    Raises:
        RunError: If it is missing or damaged.
    """
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise RunError(f"{path} can't be read: {error}; is {path.parent} a run folder?") from error


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes one JSON file whole or not at all."""
    replace(path, (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode())


def _git() -> dict[str, Any] | None:
    """Commit and cleanliness of the working folder's repository; none outside of one."""
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True, timeout=5, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed_files": len(changed)}


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
