"""Checkpoints that survive a kill, a full disk and a flipped bit. No TensorFlow here.

A checkpoint is a folder `step-00000123` with `state.safetensors` and `meta.json`. It is written under a temporary name, flushed to the disk,
and renamed, so a folder with the final name is whole; `meta.json` holds the SHA-256 of the state, so a damaged one is found out.
`index.json` says which is last, which is best and which are kept for good; it is only a summary of the folders, and is written anew from them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kvision.core import disk
from kvision.core.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kvision.engine.workers import Workers

FOLDER = re.compile(r"step-(\d{8,})")
STATE = "state.safetensors"
META = "meta.json"
INDEX = "index.json"
NEWEST = 2
"""How many of the newest checkpoints are kept: the last one, and the one to fall back on."""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on the disk: its folder and what `meta.json` says of it (`step`, `epoch`, `metrics`, `best`, `sha256` ...)."""

    path: Path
    meta: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's name, such as `step-00000123`."""
        return self.path.name

    @property
    def step(self) -> int:
        """Steps done when it was taken."""
        return int(self.meta["step"])


class Checkpoints:
    """The folder `checkpoints/` of a run.

    Args:
        folder: Where the checkpoints lie; made when the first one is saved.
        keep_every_epochs: Keep each k-th epoch's checkpoint for good, beside the best and the two newest.
    """

    def __init__(self, folder: Path, keep_every_epochs: int | None = None) -> None:
        self.folder = folder
        self._keep_every = keep_every_epochs

    def save(self, state: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Checkpoint:
        """Writes a checkpoint and prunes those no longer needed.

        Args:
            state: Arrays by name.
            meta: JSON values; `step` and `epoch` are required, `best_step` is the step of the best checkpoint so far.

        Returns:
            What was written.

        Raises:
            RunError: If the disk is full or the folder can't be written; the checkpoints before it stay whole.
        """
        name = f"step-{int(meta['step']):08d}"
        temporary = self.folder / f".{name}.{os.getpid()}.tmp"
        try:
            with disk.writing(self.folder, f"checkpoint {name}"):
                temporary.mkdir(parents=True)
                digest = _write_state(temporary / STATE, state)
                full = {**meta, "sha256": digest, "bytes": (temporary / STATE).stat().st_size}
                disk.write_flushed(temporary / META, json.dumps(full, indent=1).encode())
                disk.flush_folder(temporary)
                if (self.folder / name).exists():  # the same step again, after a fall-back
                    shutil.rmtree(self.folder / name)
                temporary.rename(self.folder / name)
                disk.flush_folder(self.folder)
                self._prune(full)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return Checkpoint(self.folder / name, full)

    def all(self) -> list[Checkpoint]:
        """Every checkpoint with a readable `meta.json`, the oldest first; whether the state is whole is not checked."""
        found = []
        for path in self._folders():
            with contextlib.suppress(OSError, ValueError, RecursionError):
                meta = json.loads((path / META).read_text("utf-8"))
                found.append(Checkpoint(path, meta))
        return found

    def clean(self) -> None:
        """Removes what a killed process left half-written."""
        if self.folder.is_dir():
            for path in self.folder.glob(".*.tmp"):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)

    def latest_good(self, warn: Callable[[str], None]) -> tuple[Checkpoint, dict[str, np.ndarray]] | None:
        """Finds the newest whole checkpoint.

        Args:
            warn: Called with a sentence for each damaged checkpoint that is passed over.

        Returns:
            The checkpoint and its arrays by name; none if there are no checkpoints.

        Raises:
            RunError: If there are checkpoints and every one is damaged.
        """
        faults = []
        for path in reversed(self._folders()):
            try:
                checkpoint, state = load(path)
            except RunError as error:
                faults.append(str(error))
                continue
            for fault in faults:
                warn(f"{fault}; going on from the checkpoint before it, {checkpoint.name}")
            return checkpoint, state
        if faults:
            raise RunError(
                f"{self.folder}: all {len(faults)} checkpoints are damaged, none can be used:\n  "
                + "\n  ".join(faults)
                + "\nrestore the folder from a backup, or train anew in another --run-dir"
            )
        return None

    def drop_after(self, step: int) -> None:
        """Removes the checkpoints beyond `step`: damaged ones that the run is about to write again."""
        for path in self._folders():
            if _step_of(path) > step:
                shutil.rmtree(path, ignore_errors=True)

    def index(self) -> dict[str, Any]:
        """`{"last": name, "best": name or null, "kept": [names]}`, from the folders themselves."""
        found = self.all()
        if not found:
            return {"last": None, "best": None, "kept": []}
        best = next((checkpoint.name for checkpoint in found if checkpoint.step == found[-1].meta.get("best_step")), None)
        return {"last": found[-1].name, "best": best, "kept": [checkpoint.name for checkpoint in found if self._for_good(checkpoint)]}

    def _for_good(self, checkpoint: Checkpoint) -> bool:
        epoch = int(checkpoint.meta["epoch"])
        return bool(self._keep_every and checkpoint.meta.get("reason") == "epoch" and epoch % self._keep_every == 0)

    def _prune(self, newest: Mapping[str, Any]) -> None:
        found = self.all()
        for checkpoint in found[:-NEWEST]:
            if checkpoint.step != newest.get("best_step") and not self._for_good(checkpoint):
                shutil.rmtree(checkpoint.path)
        disk.replace(self.folder / INDEX, json.dumps(self.index(), indent=1).encode())

    def _folders(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted((path for path in self.folder.iterdir() if FOLDER.fullmatch(path.name)), key=_step_of)


def load(path: Path) -> tuple[Checkpoint, dict[str, np.ndarray]]:
    """Reads one checkpoint folder and checks that it is whole.

    Args:
        path: A folder such as `runs/unet/checkpoints/step-00000123`.

    Returns:
        The checkpoint and its arrays by name.

    Raises:
        RunError: If it is damaged, naming the file.
    """
    from safetensors import SafetensorError, numpy

    try:
        meta = json.loads((path / META).read_text("utf-8"))
        data = (path / STATE).read_bytes()
        if hashlib.sha256(data).hexdigest() != meta["sha256"]:
            raise RunError(f"{path / STATE} is damaged: {len(data)} bytes do not give the SHA-256 that {META} recorded for {meta.get('bytes')} bytes")
        return Checkpoint(path, meta), numpy.load(data)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise RunError(f"{path} is damaged: {error}") from error


def spread(workers: Workers, found: tuple[Checkpoint, dict[str, np.ndarray]] | None) -> tuple[Checkpoint, dict[str, np.ndarray]]:
    """Has all workers know what the chief has read, so that only the chief needs the run folder.

    Args:
        workers: Those that train together.
        found: On the chief, a checkpoint and its arrays.

    Returns:
        The chief's.
    """
    path, meta = workers.told([str(found[0].path), dict(found[0].meta)] if found else None)
    return Checkpoint(Path(path), meta), workers.shared(found[1] if found else None)


def _write_state(path: Path, state: Mapping[str, np.ndarray]) -> str:
    from safetensors import numpy

    data = numpy.save({name: np.asarray(value, order="C") for name, value in state.items()})
    disk.write_flushed(path, data)
    return hashlib.sha256(data).hexdigest()


def _step_of(path: Path) -> int:
    found = FOLDER.fullmatch(path.name)
    return int(found[1]) if found else -1
