"""Staging folders end in the number of the process that works in them, so that what a killed one has left is told from what is being made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def folder(parent: Path, prefix: str) -> Path:
    """This process's own; not made yet.

    Args:
        parent: Where it is to be.
        prefix: What its name begins with.

    Returns:
        Its path.
    """
    return parent / f"{prefix}{os.getpid()}"


def others(parent: Path, prefix: str) -> Iterator[tuple[Path, int | None]]:
    """What is there already.

    Args:
        parent: Where to look.
        prefix: What the names begin with.

    Yields:
        Each folder, with the number of the process that is at work in it; none if that is gone: no process but this one has its number.
    """
    for path in sorted(parent.glob(f"{prefix}*")):
        number = path.name.rpartition("-")[2]
        alive = number.isdecimal() and int(number) != os.getpid() and psutil.pid_exists(int(number))
        yield path, int(number) if alive else None
