"""The versions of a model: folders whose names are whole numbers, as TensorFlow Serving finds them; all others it passes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

GRAPH = "saved_model.pb"
"""What makes a folder a SavedModel."""


def is_version(path: Path) -> bool:
    """Whether a folder's name is one of a version: `12`, and neither `v1` nor `0.1`."""
    return path.name.isascii() and path.name.isdecimal()


def found(base: Path) -> dict[int, Path]:
    """The versions in a model's folder, whatever they hold.

    Args:
        base: The folder `NAME`.

    Returns:
        Folders by number.

    Raises:
        OSError: If there is no such folder, or it can't be read.
    """
    return {int(each.name): each for each in sorted(base.iterdir()) if is_version(each) and each.is_dir()}


def complete(base: Path) -> dict[int, Path]:
    """As `found`, those that hold a SavedModel; none where there is no such folder."""
    return {number: folder for number, folder in found(base).items() if (folder / GRAPH).is_file()} if base.is_dir() else {}
