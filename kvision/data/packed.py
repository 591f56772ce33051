"""What `kvision data pack` says of the files that it wrote: classes, number of examples, checksums."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kvision.core.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

FACTS = "dataset.json"
"""Lies beside the files."""
INDEX = ".index.npz"
"""Ends the name of a file's index, which lies beside it."""


def tells(name: str) -> bool:
    """Whether a file of this name is about others, and holds no examples."""
    return name == FACTS or name.endswith(INDEX)


def facts(folder: Path) -> dict[str, Any]:
    """What the folder's file says, nothing where there is none; raises `DataError` if it says something else."""
    file = folder / FACTS
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        return {**found, "classes": tuple(found["classes"]), "several": bool(found["several"])}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{file}: is not what `kvision data pack` writes ({error!r}); remove it and give data.classes") from error
