"""Puts a new version of a model where a server watches: `NAME/<integer>/`, made and proven beside, then renamed, so that no server sees half of it.

A server loads the folder whose name is the highest integer and passes over all others, such as `v1`, `0.1` and the hidden ones made here.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from kvision.core import disk
from kvision_export import staging
from kvision_export.errors import ExportError
from kvision_export.saved_model import configs, served, versions, warmup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kvision_export.subject import Subject

_STAGING = ".tmp-"


def publish(subject: Subject, parent: Path, version: int | None = None, *, approve: Callable[[Path], None] = lambda folder: None) -> Path:
    """Publishes a SavedModel with its warm-up requests, each of which has been replayed on it.

    Args:
        subject: What is exported.
        parent: The folder of models; that of this one is named after the subject. Files to serve it with are written there, see `configs`.
        version: A number that is not taken yet, at least 1; none: the next one.
        approve: Is given the finished SavedModel before a server can see it, and may raise.

    Returns:
        `parent/NAME/<version>`.

    Raises:
        ExportError: If the version is taken, or what was made can't be loaded and used.
        RunError: If the disk is full or the folder can't be written.
    """
    base = parent / subject.name
    taken = versions.found(base) if base.is_dir() else {}
    number = max(taken, default=0) + 1 if version is None else version
    if number < 1 or number in taken:
        used = f"taken are {', '.join(map(str, sorted(taken)))}" if taken else "none is taken"
        raise ExportError(
            f"version {number} of {base}: accepted is a whole number from 1 on that is not taken, {used}; leave it out for the next one"
        )
    made, target = staging.folder(base, f"{_STAGING}{number}-"), base / str(number)
    try:
        with disk.writing(base, "the SavedModel", "--out"):
            base.mkdir(parents=True, exist_ok=True)
            for left in (path for path, process in staging.others(base, _STAGING) if process is None):
                shutil.rmtree(left)
            served.save(subject, made)
            warmup.write(made, warmup.record(subject), subject.name)
            outputs = warmup.replay(made)
            approve(made)
            disk.flush_files(made)
            made.rename(target)
            disk.flush_folder(base)
            models = sorted(each.name for each in parent.iterdir() if each.is_dir() and versions.found(each))
            configs.write(parent, subject, models, outputs[served.DEFAULT])
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target
