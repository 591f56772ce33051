"""Folders that lie elsewhere, `gs://`, `s3://`, `http(s)://` or whatever fsspec reads, brought into the cache on this disk before they are read.

A folder is mirrored whole: files that are here already and have not changed stay, a call that was ended goes on, and while a process reads a folder
none removes it. So training runs at the speed of the local disk, and a data set has to fit into the cache's limit.
"""

from __future__ import annotations

import hashlib
import json
import re
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from kvision.core import disk, disk_cache, paths, words
from kvision.core.errors import DataError
from kvision.core.progress import Count
from kvision.data import extra

_URL = re.compile(r"[a-z][a-z0-9+.-]+(?=://|::)", re.IGNORECASE)
_STATE = ".mirror.json"
_THREADS = 16
_VERSIONS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "updated")
"""What file systems tell of a file that changes with it."""


@dataclass(frozen=True)
class RemoteFile:
    """A file elsewhere: its path there, its path within the folder, its bytes, and what changes when it does."""

    path: str
    name: str
    size: int
    version: str


def is_remote(path: str) -> bool:
    """Whether a path is an address such as `s3://bucket/folder`."""
    return _URL.match(path) is not None


def mirrored(url: str) -> Path:
    """The folder on this disk that holds what lies at an address; fetches what is not here yet.

    Args:
        url: The folder's address.

    Returns:
        The folder; it stays as long as the process lives.

    Raises:
        DataError: If a package is missing, the address can't be read, or the files are more than the cache may hold.
    """
    fsspec = extra.package("fsspec", "fsspec", f"data.path: {url}")
    try:
        system, root = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise DataError(f"data.path: {url}: {error}; run `pip install 'kvision[remote]'`") from error
    except ValueError as error:
        raise DataError(f"data.path: {url}: {error}; accepted are gs://, s3://, http://, https:// and what else fsspec reads") from error
    folder = paths.cache_folder("remote") / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:32]
    folder.mkdir(parents=True, exist_ok=True)
    disk_cache.hold(folder)
    files = _listed(system, root, url)
    known = _known(folder)
    missing = [one for one in files if known.get(one.name) != [one.size, one.version] or not (folder / one.name).is_file()]
    _make_room(url, folder, files)
    _fetch(system, url, folder, missing, known)
    for name in known.keys() - {one.name for one in files}:
        (folder / name).unlink(missing_ok=True)
        del known[name]
    disk.replace(folder / _STATE, json.dumps({"url": url, "files": known}).encode())
    return folder


def _listed(system: Any, root: str, url: str) -> list[RemoteFile]:
    """The files of a folder elsewhere, without hidden ones."""
    try:
        system.invalidate_cache()
        found = system.find(root, detail=True, on_error="raise")  # else what can't be listed is left out without a word
        facts = [info if info.get("size") is not None else {**info, **system.info(path)} for path, info in found.items()]
    except Exception as error:
        # Each library behind fsspec has its own errors: of the network, of credentials, of folders that are not there.
        raise _unreadable(url, error) from error
    files = []
    top = root.rstrip("/")
    for path, info in zip(found, facts, strict=True):
        name = path.removeprefix(top).lstrip("/")
        parts = PurePosixPath(name).parts
        if not path.startswith(top) or ".." in parts or any(part.startswith(".") for part in parts) or not parts:
            continue
        version = next((str(info[key]) for key in _VERSIONS if info.get(key) is not None), "")
        files.append(RemoteFile(path, name, int(info.get("size") or 0), version))
    if not files:
        raise DataError(f"data.path: {url}: holds no files, or the server does not list them; give a folder whose files can be listed")
    return files


def _make_room(url: str, folder: Path, files: list[RemoteFile]) -> None:
    """Removes what was not used for longest, so that all the files fit; raises `DataError` where they never will."""
    total, most = sum(one.size for one in files), disk_cache.limit()
    if total > most:
        raise DataError(
            f"data.path: {url}: its {words.counted(len(files), 'file')} have {words.size(total)}, and the cache {folder.parent.parent} may hold "
            f"{words.size(most)}; raise {disk_cache.LIMIT} (gigabytes), or copy the folder to a disk of your own"
        )
    here = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    disk_cache.shrink(most - max(total - here, 0), keep=folder)


def _fetch(system: Any, url: str, folder: Path, missing: list[RemoteFile], known: dict[str, list[Any]]) -> None:
    """Fetches files; each is whole or not there at all, and what was fetched is noted in `known` also when another one fails."""

    def fetch(one: RemoteFile) -> None:
        target = folder / one.name
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        try:
            system.get_file(one.path, str(part))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        known[one.name] = [one.size, one.version]

    with Count(f"fetching {url}", max(len(missing), 1)) as count, ThreadPoolExecutor(_THREADS) as pool:
        waiting = [pool.submit(fetch, one) for one in missing]
        try:
            for done, future in enumerate(as_completed(waiting), start=1):
                future.result()
                count.at(done)
        except Exception as error:
            pool.shutdown(cancel_futures=True)
            raise _unreadable(url, error) from error
        finally:
            disk.replace(folder / _STATE, json.dumps({"url": url, "files": known}).encode())


def _known(folder: Path) -> dict[str, list[Any]]:
    """The files that were fetched: size and version by name."""
    try:
        return dict(json.loads((folder / _STATE).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _unreadable(url: str, error: Exception) -> DataError:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return DataError(f"data.path: {url}: can't be read ({what}); look at the address, the network and the credentials")
