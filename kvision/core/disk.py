"""Files that are whole or not there at all, and what to tell the user when the disk refuses."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from kvision.core.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def writing(folder: Path, what: str, option: str = "--run-dir") -> Iterator[None]:
    """Turns the operating system's faults while writing into one clear message.

    Args:
        folder: Where things are written.
        what: What is written.
        option: The option of the command line that names another place; only what `--run-dir` names can go on with `--resume`.

    Yields:
        Nothing.

    Raises:
        RunError: If the disk is full, the folder is read-only, or anything else keeps a file from being written.
    """
    try:
        yield
    except BrokenPipeError:  # nobody reads the standard output any more: not the disk's fault
        raise
    except OSError as error:
        raise RunError(f"{folder}: {what} could not be written: {error.strerror or error}; {_remedy(error.errno, option)}") from error


def replace(path: Path, data: bytes) -> None:
    """Puts `data` into a file so that at any moment it holds either the old bytes or the new ones."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write_flushed(temporary, data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_flushed(path: Path, data: bytes) -> None:
    """Writes a file, and returns when it is on the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_files(folder: Path) -> None:
    """Returns when every file in a folder and below it is on the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def flush_folder(path: Path) -> None:
    """Returns when the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remedy(code: int | None, option: str) -> str:
    if code in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOENT):
        return f"choose a folder that can be written with {option}"
    mended = "free some space" if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "mend the disk"
    if option != "--run-dir":
        return f"{mended}, or choose another place with {option}"
    return f"{mended}, then go on with --resume; the checkpoints before this one are whole"
