"""The one cache on disk: things that cost time to make anew and nothing else, up to a limit; the least recently used go first.

An entry is a file or a folder right below the folder of its kind: features, indices of records, remote data sets. Its time of change is that of its
last use. An entry that is a folder may be held, so that no process removes what another one reads.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kvision.core import paths
from kvision.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

LIMIT = "KVISION_CACHE_GB"
DEFAULT_GB = 50.0
_LOCK = ".lock"
_held: dict[Path, int] = {}


@dataclass(frozen=True)
class Entry:
    """Something that is kept.

    Attributes:
        path: The file or folder.
        size: Bytes.
        used_s: When it was last used, seconds since 1970.
    """

    path: Path
    size: int
    used_s: float


def limit() -> int:
    """Bytes that the cache may take, from the environment variable `KVISION_CACHE_GB`; raises `UsageError` where that is no number."""
    given = os.environ.get(LIMIT, "")
    try:
        wanted = float(given or DEFAULT_GB)
    except ValueError:
        wanted = -1.0
    if not wanted >= 0.0:
        raise UsageError(f"{LIMIT}: {given!r} is no number of gigabytes; accepted: 0 or more, such as {DEFAULT_GB:g}")
    return int(wanted * 1e9)


def entries() -> list[Entry]:
    """All that is kept, the least recently used first."""
    root, found = paths.cache_folder(""), []
    for kind in root.iterdir() if root.is_dir() else ():
        for path in kind.iterdir() if kind.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):  # another process may remove it meanwhile
                inside = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
                found.append(Entry(path, sum(file.stat().st_size for file in inside), path.stat().st_mtime))
    return sorted(found, key=lambda entry: (entry.used_s, entry.path))


def used(path: Path) -> None:
    """Notes that an entry is used now."""
    with contextlib.suppress(OSError):
        os.utime(path)


def hold(folder: Path) -> None:
    """Keeps an entry, a folder that is there, from being removed as long as this process lives; also notes its use."""
    if folder not in _held:
        _held[folder] = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(_held[folder], fcntl.LOCK_SH)
    used(folder)


def shrink(most: int | None = None, *, keep: Path | None = None) -> list[Path]:
    """Removes entries, the least recently used first, until the rest takes no more than the limit.

    Args:
        most: Bytes; none: `limit()`.
        keep: An entry to leave alone, as are those that a process holds.

    Returns:
        What was removed.
    """
    most, found = limit() if most is None else most, entries()
    total, removed = sum(entry.size for entry in found), []
    for entry in found:
        if total <= most:
            break
        if entry.path != keep and _remove(entry.path):
            total -= entry.size
            removed.append(entry.path)
    return removed


def _remove(path: Path) -> bool:
    """Whether the entry is gone: it is not where a process holds it."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return True
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
