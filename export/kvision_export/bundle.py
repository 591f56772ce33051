"""The bundle's folder: a new one is finished in a staging folder inside, and then only renamed into place, the manifest last.

A kill before the renames leaves the earlier bundle; one amidst them leaves a tree that is marked as ready, and the next export carries it over.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import shutil
from typing import TYPE_CHECKING

from kvision.core import disk
from kvision.core.errors import RunError
from kvision_edge import manifest
from kvision_export import staging as folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

REJECTED = "rejected"
SAMPLE = "sample"
SAVED_MODEL = "saved_model"
QAT = "qat"
_STAGING = ".staging-"
_READY, _GONE = "ready", "gone.json"
"""In a staging folder: the finished tree, from when on it is being put in place, and the files that go for it."""
_PACKAGES = ("kvision", "tensorflow", "keras", "ai-edge-litert", "litert-quantizer")


def check(out: Path) -> manifest.Manifest | None:
    """The bundle that is there already.

    Args:
        out: The folder that is to be the bundle.

    Returns:
        Its manifest; none where there is no bundle yet, or only what an export that was interrupted left.

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
    names = {path.name for path in out.iterdir()}
    # A SavedModel is published before the manifest is written; a killed export leaves its staging folder.
    if not any(name.startswith(_STAGING) for name in names) and names - {SAVED_MODEL}:
        raise RunError(f"--out {out}: holds files that are no bundle and would be mixed up with one; give a new folder")
    return None


@contextlib.contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A folder inside the bundle's in which files are made and proven before they are put in place; gone afterwards.

    Args:
        out: The bundle's folder; made if need be. What an export that was killed left ready is put in place, what else it left is removed.

    Yields:
        The staging folder.

    Raises:
        RunError: If the folder can't be written, or another export writes it.
    """
    folder = folders.folder(out, _STAGING)
    try:
        with disk.writing(out, "the bundle", "--out"):
            for other, process in folders.others(out, _STAGING):
                if process is not None:
                    raise RunError(
                        f"--out {out}: another export, process {process}, is writing this bundle; wait for its end, or give another folder"
                    )
                _carry_over(other, out)
                shutil.rmtree(other)
            folder.mkdir(parents=True)
        yield folder
    finally:
        with contextlib.suppress(OSError):  # what can't be finished now, the next export finishes
            _carry_over(folder, out)
            shutil.rmtree(folder, ignore_errors=True)
            out.rmdir()  # unless it is not empty


def place(staged: Path, out: Path, gone: Iterable[str]) -> None:
    """Makes a finished tree the bundle: renames only, which take neither time nor space, the manifest last.

    Args:
        staged: The tree, in a folder of its own that `staging` gave.
        out: The bundle.
        gone: Files of the earlier bundle, by their paths in it, that the new manifest does not know; removed in the end.
    """
    disk.write_flushed(staged.parent / _GONE, json.dumps(sorted(gone)).encode())
    disk.flush_files(staged)
    staged.rename(staged.with_name(_READY))
    disk.flush_folder(staged.parent)
    _carry_over(staged.parent, out)


def _carry_over(folder: Path, out: Path) -> None:
    """Puts the tree in place that lies ready in a staging folder, if one does; where that was begun before, it is ended."""
    ready = folder / _READY
    if not ready.is_dir():
        return
    files = [path.relative_to(ready) for path in ready.rglob("*") if path.is_file()]
    for name in sorted(files, key=lambda name: name.as_posix() == manifest.NAME):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (ready / name).replace(out / name)
    for parent in {out / name.parent for name in files}:
        disk.flush_folder(parent)
    for path in (out / each for each in json.loads((folder / _GONE).read_text())):
        if path.resolve().is_relative_to(out.resolve()):
            path.unlink(missing_ok=True)
    shutil.rmtree(ready)


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


def checksums(staged: Path, model_files: Iterable[str]) -> dict[str, str]:
    """sha256 of every file of a tree that is neither a model, nor rejected, by its path."""
    models = set(model_files)
    names = sorted(each.relative_to(staged).as_posix() for each in staged.rglob("*") if each.is_file())
    return {name: sha256(staged / name) for name in names if name not in models and not name.startswith(f"{REJECTED}/")}


def listed(made: manifest.Manifest) -> set[str]:
    """The files that a manifest knows, but for SavedModels: those are a server's to forget."""
    return {each.path for each in made.files if not each.path.startswith(f"{SAVED_MODEL}/")} | set(made.checksums)


def write(out: Path, made: manifest.Manifest) -> None:
    """Writes the manifest."""
    disk.replace(out / manifest.NAME, made.to_json().encode())


def versions() -> dict[str, str]:
    """Of the packages that make a bundle."""
    found = {}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found
