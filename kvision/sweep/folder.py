"""The folder of many trainings: its own, or somebody else's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kvision.core.disk import writing
from kvision.core.errors import RunError

if TYPE_CHECKING:
    from pathlib import Path


def claim(folder: Path, what: str, option: str) -> None:
    """Makes the folder, unless it holds something else.

    Args:
        folder: Where all will be written; an empty file in it, `.sweep`, tells it from others.
        what: What it is, such as `sweep`.
        option: The option of the command line that names another folder.

    Raises:
        RunError: If it exists and is no such folder, or can't be made.
    """
    mark = folder / f".{what}"
    with writing(folder, f"the {what}", option):
        if folder.exists() and not mark.exists() and any(folder.iterdir()):
            raise RunError(f"{folder} exists and is not a {what}; choose another folder with {option}")
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
