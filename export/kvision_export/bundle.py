"""The bundle's folder: built beside itself, put in place file by file, its manifest last; the old one stays whole until then."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import shutil
from typing import TYPE_CHECKING

import psutil

from kvision.core import disk
from kvision.core.errors import RunError
from kvision_edge import manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

REJECTED = "rejected"
SAMPLE = "sample"
SAVED_MODEL = "saved_model"
_STAGING = ".staging-"
_PACKAGES = ("kvision", "tensorflow", "keras", "ai-edge-litert", "litert-quantizer")


def check(out: Path) -> manifest.Manifest | None:
    """The bundle that is there already.

    Args:
        out: The folder that is to be the bundle.

    Returns:
        Its manifest; none where there is no bundle yet.

    Raises:
        RunError: If the folder holds something else, or the bundle there can't be read.
    """
    if not out.exists():
        return None
    if not out.is_dir():
        raise RunError(f"--out {out}: is a file; give a new folder")
    if (out / manifest.NAME).exists():
        try:
            return manifest.read(out)
        except manifest.ManifestError as error:
            raise RunError(f"--out {out}: {error}, or give a new folder") from error
    if any(not path.name.startswith(_STAGING) for path in out.iterdir()):
        raise RunError(f"--out {out}: holds files that are no bundle and would be mixed up with one; give a new folder")
    return None


@contextlib.contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A folder inside the bundle's in which files are made and proven before they are put in place; gone afterwards.

    Args:
        out: The bundle's folder; made if need be. What an export that was killed left behind is removed.

    Yields:
        The staging folder.
    """
    with disk.writing(out, "the bundle", "--out"):
        out.mkdir(parents=True, exist_ok=True)
        for left in out.glob(f"{_STAGING}*"):
            if not psutil.pid_exists(int(left.name.removeprefix(_STAGING))):
                shutil.rmtree(left)
        folder = out / f"{_STAGING}{os.getpid()}"
        folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if not any(out.iterdir()):
            out.rmdir()


def place(source: Path, target: Path) -> None:
    """Puts a finished file into the bundle, over an older one of the same name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.replace(target)


def sha256(path: Path) -> str:
    """Of a file; of a folder, of the lines `<sha256>  <path>` of its files, sorted by path."""
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.is_file())
        lines = "".join(f"{sha256(each)}  {each.relative_to(path).as_posix()}\n" for each in files)
        return hashlib.sha256(lines.encode()).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file()) if path.is_dir() else path.stat().st_size


def checksums(out: Path, model_files: Iterable[str]) -> dict[str, str]:
    """sha256 of every file of the bundle that is neither a model, nor rejected, nor the manifest, by its path."""
    models = tuple(model_files)
    found = {}
    for path in sorted(each for each in out.rglob("*") if each.is_file()):
        name = path.relative_to(out).as_posix()
        other = name == manifest.NAME or name.startswith((_STAGING, f"{REJECTED}/", f"{SAVED_MODEL}/"))
        if not other and name not in models:
            found[name] = sha256(path)
    return found


def write(out: Path, made: manifest.Manifest) -> None:
    """Writes the manifest, the last step: from now on the bundle is the new one."""
    disk.replace(out / manifest.NAME, made.to_json().encode())
    disk.flush_folder(out)


def versions() -> dict[str, str]:
    """Of the packages that make a bundle."""
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
