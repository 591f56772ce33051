"""Which process works on a trial, and whether it still lives."""

from __future__ import annotations

import datetime as dt
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping

NEW_S = 60
"""A trial that nobody has put a name to for so long belongs to a worker that was killed just then."""


def worker() -> dict[str, Any]:
    """This process, so that it can be told from every other one: containers may share a host's name, and process numbers come again."""
    return {"host": _host(), "process": os.getpid(), "started": _started(os.getpid())}


def is_dead(who: Mapping[str, Any] | None, since: dt.datetime | None) -> bool:
    """Whether a worker is known to be dead.

    Args:
        who: What `worker` gave; none: it did not come so far as to say.
        since: When its trial began, local time.

    Returns:
        True for processes of this machine that are no more; False for those of other machines, which give signs of life by the database.
    """
    if who is None:
        return since is not None and (dt.datetime.now() - since).total_seconds() > NEW_S
    if who["host"] != _host():
        return False
    try:
        return abs(_started(who["process"]) - who["started"]) > 1.0
    except psutil.NoSuchProcess:
        return True


def _started(process: int) -> float:
    """Seconds from the start of the machine to that of a process: the clock may be set meanwhile, which moves both."""
    return psutil.Process(process).create_time() - psutil.boot_time()


def _host() -> str:
    namespace = Path("/proc/self/ns/pid")
    return f"{socket.gethostname()} {namespace.readlink() if namespace.is_symlink() else ''}".strip()
