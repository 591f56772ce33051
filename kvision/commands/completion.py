"""What the shell offers when Tab is pressed; errors mean no offers."""

from __future__ import annotations

from pathlib import Path

from kvision.core import paths
from kvision.core.errors import KvisionError

OPEN = ("model", "loss", "data", "optim", "train", "expect")


def recipes(incomplete: str) -> list[str]:
    """Recipe files and folders that begin as typed, and the names of shipped recipes.

    Args:
        incomplete: What was typed so far.

    Returns:
        Completions.
    """
    folder, _, start = incomplete.rpartition("/")
    here = Path(folder or ".")
    prefix = f"{folder}/" if folder else ""
    found = [name for name in paths.shipped() if name.startswith(incomplete)]
    for path in sorted(here.iterdir()) if here.is_dir() else ():
        if path.name.startswith(start) and not path.name.startswith("."):
            if path.is_dir():
                found.append(f"{prefix}{path.name}/")
            elif path.suffix in paths.SUFFIXES:
                found.append(f"{prefix}{path.name}")
    return found


def overrides(recipe: str, incomplete: str) -> list[str]:
    """Options of a recipe that begin as typed, as `model.width=`.

    Args:
        recipe: The recipe on the line.
        incomplete: What was typed so far.

    Returns:
        Completions; none when the recipe can't be read.
    """
    from kvision import catalog

    try:
        known = catalog.load(recipe).origins
    except KvisionError:
        return []
    return [f"{path}=" for path in known if path.startswith(incomplete) and path.partition(".")[0] in OPEN]
